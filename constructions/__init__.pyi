"""Made by `constructions.public.stub`: see there."""

from constructions.catalogue import (
    CATALOGUE as CATALOGUE,
)
from constructions.catalogue import (
    Construction as Construction,
)
from constructions.catalogue import (
    construction as construction,
)
from constructions.decoders.model_form import (
    Reformed as Reformed,
)
from constructions.decoders.seeding import (
    needed_shape as needed_shape,
)
from constructions.decoders.seeding import (
    seed_into as seed_into,
)
from constructions.decoders.seeding import (
    standard as standard,
)
from constructions.decoders.standard_decoder import (
    StandardDecoder as StandardDecoder,
)
from constructions.decoders.standard_decoder import (
    StandardModel as StandardModel,
)
from constructions.decoders.standard_decoder import (
    StandardShape as StandardShape,
)
from constructions.facts.codes import (
    Codebook as Codebook,
)
from constructions.facts.table import (
    MISSING as MISSING,
)
from constructions.facts.table import (
    FactTable as FactTable,
)
from constructions.facts.vocabulary import (
    Vocabulary as Vocabulary,
)
from constructions.forms.mechanism import (
    Step as Step,
)
from constructions.forms.mechanism import (
    mechanism as mechanism,
)
from constructions.forms.rewriting import (
    add_noise as add_noise,
)
from constructions.forms.rewriting import (
    change_basis as change_basis,
)
from constructions.forms.rewriting import (
    install as install,
)
from constructions.forms.rewriting import (
    noise_radius as noise_radius,
)
from constructions.forms.rewriting import (
    normalize as normalize,
)
from constructions.forms.rewriting import (
    widen as widen,
)
from constructions.guards.errors import (
    DoesNotFit as DoesNotFit,
)
from constructions.guards.errors import (
    FactFileError as FactFileError,
)
from constructions.guards.errors import (
    InputError as InputError,
)
from constructions.model.fact_model import (
    FactModel as FactModel,
)
from constructions.model.transformer import (
    Transformer as Transformer,
)
from constructions.saved.folder import (
    load as load,
)
from constructions.theorems.hybrid import (
    hybrid as hybrid,
)
from constructions.theorems.meet_in_the_middle import (
    meet_in_the_middle as meet_in_the_middle,
)
from constructions.theorems.theorem_4_1 import (
    attention_selector as attention_selector,
)
from constructions.theorems.theorem_4_1 import (
    scalar_selector as scalar_selector,
)
from constructions.theorems.theorem_4_1 import (
    selector as selector,
)
from constructions.theorems.theorem_4_3_key_value import (
    key_value as key_value,
)
from constructions.theorems.theorem_4_3_key_value import (
    key_value_rows as key_value_rows,
)
from constructions.theorems.theorem_4_3_precomputed import (
    precomputed as precomputed,
)
from constructions.theorems.theorem_4_4 import (
    ChainOfThought as ChainOfThought,
)
from constructions.theorems.theorem_4_4 import (
    chain_of_thought as chain_of_thought,
)
from constructions.theorems.theorem_F_1 import (
    superposition as superposition,
)

__version__: str
