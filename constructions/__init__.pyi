"""Made by `constructions.public.stub`: see there."""

from constructions.catalogue import (
    CATALOGUE as CATALOGUE,
    construction as construction,
)
from constructions.decoders.model_form import (
    ModelForm as ModelForm,
)
from constructions.decoders.seeding import (
    needed_shape as needed_shape,
    seed_into as seed_into,
    standard as standard,
)
from constructions.decoders.standard_decoder import (
    StandardDecoder as StandardDecoder,
    StandardShape as StandardShape,
)
from constructions.decoders.standard_model import (
    StandardModel as StandardModel,
)
from constructions.entry import (
    Construction as Construction,
)
from constructions.facts.answers import (
    MISSING as MISSING,
)
from constructions.facts.changed_answers import (
    ChangedAnswer as ChangedAnswer,
    ChangedAnswers as ChangedAnswers,
    changed_answers as changed_answers,
)
from constructions.facts.codes import (
    Codebook as Codebook,
)
from constructions.facts.noise_prompts import (
    NoisePrompts as NoisePrompts,
)
from constructions.facts.set_table import (
    SetTable as SetTable,
)
from constructions.facts.table import (
    FactTable as FactTable,
)
from constructions.facts.vocabulary import (
    Vocabulary as Vocabulary,
)
from constructions.forms.basis import (
    change_basis as change_basis,
)
from constructions.forms.installing import (
    install as install,
)
from constructions.forms.mechanism import (
    mechanism as mechanism,
)
from constructions.forms.noise import (
    add_noise as add_noise,
    noise_radius as noise_radius,
)
from constructions.forms.normalizing import (
    normalize as normalize,
)
from constructions.forms.widening import (
    widen as widen,
)
from constructions.guards.errors import (
    AmbiguousQuestion as AmbiguousQuestion,
    DoesNotFit as DoesNotFit,
    FactFileError as FactFileError,
    InputError as InputError,
    MissingFact as MissingFact,
    QuestionError as QuestionError,
    UserCodeError as UserCodeError,
)
from constructions.importing.table import (
    read_table as read_table,
)
from constructions.learning.examples import (
    torch_dataset as torch_dataset,
)
from constructions.learning.fit import (
    fit as fit,
)
from constructions.learning.one_layer import (
    OneLayer as OneLayer,
    OneLayerShape as OneLayerShape,
)
from constructions.learning.recalled import (
    Fitted as Fitted,
    n_right as n_right,
)
from constructions.learning.rounded_folder import (
    load_rounded as load_rounded,
    save_rounded as save_rounded,
)
from constructions.learning.rounding import (
    round_weights as round_weights,
)
from constructions.model.answering import (
    NotStoredWarning as NotStoredWarning,
)
from constructions.model.asked import (
    Answered as Answered,
    answers_to as answers_to,
)
from constructions.model.asked_sets import (
    AnsweredSet as AnsweredSet,
)
from constructions.model.fact_model import (
    FactModel as FactModel,
)
from constructions.model.margin import (
    MarginClaim as MarginClaim,
)
from constructions.model.noise_reader import (
    NoiseReader as NoiseReader,
)
from constructions.model.readout import (
    FormField as FormField,
    NumberField as NumberField,
    Readout as Readout,
    SignField as SignField,
)
from constructions.model.recipe import (
    recorded as recorded,
)
from constructions.model.set_model import (
    SetModel as SetModel,
)
from constructions.model.step import (
    Step as Step,
)
from constructions.model.stream import (
    Slot as Slot,
    Space as Space,
    dot as dot,
)
from constructions.model.transformer import (
    Transformer as Transformer,
)
from constructions.model.updating import (
    Update as Update,
)
from constructions.option import (
    Option as Option,
)
from constructions.saved.folder import (
    load as load,
    save as save,
)
from constructions.saved.form_folder import (
    load_form as load_form,
    save_form as save_form,
)
from constructions.sizes.sizing import (
    Sizing as Sizing,
)
from constructions.sizes.symbols import (
    Symbols as Symbols,
)
from constructions.theorems.digit_selector import (
    digit_selector as digit_selector,
)
from constructions.theorems.hybrid import (
    hybrid as hybrid,
)
from constructions.theorems.key_value_grid import (
    key_value_grid as key_value_grid,
)
from constructions.theorems.meet_in_the_middle import (
    meet_in_the_middle as meet_in_the_middle,
)
from constructions.theorems.noise_tokens import (
    read_among_noise as read_among_noise,
)
from constructions.theorems.precomputed_digits import (
    precomputed_digits as precomputed_digits,
)
from constructions.theorems.sets_of_answers import (
    sets_of_answers as sets_of_answers,
)
from constructions.theorems.sparse_selector import (
    sparse_selector as sparse_selector,
    sparse_selector_unknown as sparse_selector_unknown,
)
from constructions.theorems.theorem_4_1 import (
    attention_selector as attention_selector,
    scalar_selector as scalar_selector,
    selector as selector,
)
from constructions.theorems.theorem_4_3_key_value import (
    key_value as key_value,
    key_value_rows as key_value_rows,
)
from constructions.theorems.theorem_4_3_precomputed import (
    precomputed as precomputed,
)
from constructions.theorems.theorem_4_4 import (
    chain_of_thought as chain_of_thought,
)
from constructions.theorems.theorem_F_1 import (
    superposition as superposition,
)
from constructions.writing.claims import (
    Holds as Holds,
)
from constructions.writing.codes import (
    Bits as Bits,
    Digits as Digits,
    Number as Number,
    Signs as Signs,
)
from constructions.writing.draft import (
    Draft as Draft,
    require_exact as require_exact,
)
from constructions.writing.plan import (
    Plan as Plan,
)

__version__: str
