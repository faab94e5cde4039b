"""Every defect of a saved model that is looked for, with the words by which it is reported.

A defect is a function that damages the folder it is given; `rewrite` and `in_header` of
`folder_edits.py` give the manifest the new sizes and digests, so that a check behind those is
reached.
"""

import json

from folder_edits import (
    EMBEDDING,
    HUGE,
    huge_everywhere,
    in_header,
    in_manifest,
    raw_manifest,
    rewrite,
    shifted,
    with_codebooks,
    without,
)

from constructions.writing.certificate import FORMAT

DEFECTS = {
    # the manifest as text
    "no manifest": (
        lambda path: (path / "manifest.json").unlink(),
        r"manifest.json: no such file: .* is not the folder",
    ),
    "not JSON": (raw_manifest(lambda raw: raw[:-9]), r"manifest.json: cannot be read as JSON"),
    "not UTF-8": (
        raw_manifest(lambda raw: b"\xff" + raw),
        r"manifest.json: cannot be read as JSON",
    ),
    "nested": (raw_manifest(lambda raw: b"[" * 200_000), r"manifest.json: cannot be read as JSON"),
    "a list": (raw_manifest(lambda raw: b"[1]\n"), r"is not the manifest of a model"),
    "other JSON": (raw_manifest(lambda raw: b'{"name": 1}\n'), r"is not the manifest of a model"),
    "twice": (
        raw_manifest(lambda raw: raw.replace(b"{", b'{"format": 3,', 1)),
        r"the key 'format' twice",
    ),
    "fraction": (
        raw_manifest(lambda raw: raw.replace(b'"format": 3', b'"format": 1.0')),
        r"1\.0 is no integer",
    ),
    "NaN": (
        raw_manifest(lambda raw: raw.replace(b'"format": 3', b'"format": NaN')),
        r"NaN is no integer",
    ),
    "spaces": (raw_manifest(lambda raw: raw + b"\n"), r"is not written as it was saved"),
    "version": (
        in_manifest("format", value=FORMAT - 1),
        r"of format 2, and this version of the program reads format 3",
    ),
    "version true": (in_manifest("format", value=True), r"of format True"),
    # the manifest's schema
    "missing key": (without("dtype"), r"the key 'dtype' is missing"),
    "missing inner key": (
        without("files", "facts.tsv", "sha256"),
        r"'sha256' is missing in files\['facts.tsv'\]",
    ),
    "unknown key": (in_manifest("x", value=1), r"the key 'x' is unknown"),
    "unknown inner key": (in_manifest("sizes", "x", value=1), r"the key 'x' is unknown in sizes"),
    "text for a count": (
        in_manifest("sizes", "hops", value="1"),
        r"sizes\.hops is '1'; a positive integer",
    ),
    "true for a count": (
        in_manifest("sizes", "hops", value=True),
        r"sizes\.hops is True; a positive integer",
    ),
    "negative": (in_manifest("sizes", "positions", value=-1), r"sizes\.positions is -1; a count"),
    "no entities": (
        in_manifest("sizes", "entities", value=0),
        r"sizes\.entities is 0; a positive integer",
    ),
    "huge size": (
        in_manifest("sizes", "d_model", value=HUGE),
        r"sizes\.d_model is 9+\.\.\. \(4,300 characters\); a positive integer below 10\^60 is expected",
    ),
    "huge head": (
        in_manifest("architecture", "layers", 0, "heads", 0, value=[HUGE, 1]),
        r"heads\[0\] is \[9+\.\.\. .*; a pair of counts",
    ),
    "object for a list": (in_manifest("specials", value={}), r"specials is {}; \['unknown'\] or"),
    "list for an object": (in_manifest("options", value=[]), r"options is \[\]; an object"),
    "option": (
        in_manifest("options", "x", value="y"),
        r"options\['x'\] is 'y'; an integer, true, false or null",
    ),
    "head": (
        in_manifest("architecture", "layers", 0, "heads", 0, value=[1]),
        r"heads\[0\] is \[1\]; a pair",
    ),
    "no layer": (
        in_manifest("architecture", "layers", value=[]),
        r"architecture.layers is \[\]; at least one",
    ),
    "many layers": (
        in_manifest("architecture", "layers", value=[{"heads": [], "d_mlp": []}] * 4097),
        r"architecture.layers has 4,097 layers, and up to 4,096 are read",
    ),
    "digest": (
        in_manifest("files", "facts.tsv", "sha256", value="F" * 64),
        r"64 lower-case hexadecimal",
    ),
    # the files
    "extra file": (
        lambda path: (path / "x.pkl").write_bytes(b""),
        r"holds x\.pkl, which manifest.json does not list",
    ),
    "extra folder": (lambda path: (path / "x").mkdir(), r"holds x, which"),
    "missing file": (
        lambda path: (path / "vocabulary.txt").unlink(),
        r"vocabulary.txt: no such file",
    ),
    "pickle": (
        in_manifest("files", "x.pkl", value={"bytes": 0, "sha256": "0" * 64}),
        r"lists 'x.pkl', which is no file",
    ),
    "unlisted": (without("files", "certificate.json"), r"lists no certificate.json"),
    "no facts": (
        without("files", "facts.tsv"),
        r"lists neither of facts.tsv and facts.safetensors",
    ),
    "both facts": (
        in_manifest("files", "facts.safetensors", value={"bytes": 0, "sha256": "0" * 64}),
        r"lists both of facts.tsv and facts.safetensors",
    ),
    "size": (
        in_manifest("files", "facts.tsv", "bytes", value=7),
        r"facts.tsv: has \d+ bytes; manifest.json says 7",
    ),
    "sha": (
        in_manifest("files", "facts.tsv", "sha256", value="0" * 64),
        r"facts.tsv: has the SHA-256",
    ),
    # the header of the weights
    "short": (
        rewrite("weights.safetensors", lambda raw: raw[:5]),
        r"refused by safetensors \(.*header too small\); a file",
    ),
    "long header": (
        rewrite("weights.safetensors", lambda raw: b"\xff" * 8 + raw[8:]),
        r"refused by safetensors \(.*header too large\); a file",
    ),
    "header no JSON": (
        in_header(lambda header: "{"),
        r"weights.safetensors: is refused by safetensors \(.*invalid JSON",
    ),
    "header twice": (
        in_header(
            lambda header: (
                f"{json.dumps(header)[:-1]}, " + json.dumps({EMBEDDING: header[EMBEDDING]})[1:]
            )
        ),
        r"the key 'embedding.weight' twice",
    ),
    "empty entry": (
        in_header(lambda header: header.update({EMBEDDING: {}})),
        r"refused by safetensors \(.*missing field `dtype`",
    ),
    "header list": (
        in_header(lambda header: "[]"),
        r"refused by safetensors \(.*invalid type: sequence",
    ),
    "header after a space": (
        in_header(lambda header: " " + json.dumps(header)),
        r"something stands before the header; a JSON object is expected",
    ),
    "entry of other keys": (
        in_header(lambda header: header[EMBEDDING].update(x=1)),
        r"entry 'embedding.weight' is {.*; an object of dtype, shape and data_offsets",
    ),
    "entry as a list": (
        in_header(lambda header: header.update({EMBEDDING: [*header[EMBEDDING].values()]})),
        r"entry 'embedding.weight' is \[.*; an object of dtype, shape and data_offsets",
    ),
    "metadata null": (
        in_header(lambda header: header.update(__metadata__=None)),
        r"another tool has written it",
    ),
    "metadata": (
        in_header(lambda header: header.update(__metadata__={"format": "pt"})),
        r"another tool has written it: .* __metadata__, .* load_state_dict, and save that",
    ),
    "dtype": (
        in_header(lambda header: header[EMBEDDING].update(dtype="F8")),
        r"unknown variant `F8`, expected one of",
    ),
    "other dtype": (
        in_header(lambda header: header[EMBEDDING].update(dtype="I32")),
        r"found I32 .*architecture has F32",
    ),
    "shape": (
        in_header(lambda header: header[EMBEDDING].update(shape=[1, "9"])),
        r"expected usize",
    ),
    "other shape": (
        in_header(lambda header: header["layers.0.attention.value.weight"]["shape"].reverse()),
        r"found F32 \[7, 6\]; the architecture has F32 \[6, 7\]",
    ),
    "huge shape": (
        in_header(lambda header: header[EMBEDDING].update(shape=[HUGE, HUGE])),
        r"number out of range",
    ),
    "huge shape of nothing": (
        in_header(
            lambda header: header["layers.0.attention.query.weight"].update(shape=[0, 2**63])
        ),
        r"found F32 \[0, 9223372036854775808\]; the architecture has F32 \[0, 7\]",
    ),
    "many axes": (
        in_header(lambda header: header[EMBEDDING].update(shape=[2**60] * 200_000)),
        r"overflow computing buffer size",
    ),
    "offsets": (
        in_header(lambda header: header[EMBEDDING].update(data_offsets=[0, 4])),
        r"invalid shape, data type, or offset for tensor",
    ),
    "one offset": (
        in_header(lambda header: header[EMBEDDING].update(data_offsets=[0])),
        r"expected a tuple of size 2",
    ),
    "gap": (in_header(shifted), r"invalid offset for tensor `embedding.weight`"),
    "overlap": (
        in_header(
            lambda header: header["unembedding.weight"].update(
                data_offsets=header[EMBEDDING]["data_offsets"]
            )
        ),
        r"invalid offset for tensor",
    ),
    "too few": (
        in_header(lambda header: header.pop("unembedding.weight") and None),
        r"file not fully covered",
    ),
    "data too long": (
        rewrite("weights.safetensors", lambda raw: raw + b"1234"),
        r"file not fully covered",
    ),
    "renamed": (
        in_header(
            lambda header: json.dumps(header).replace("embedding.weight", "embeddimg.weight")
        ),
        r"tensor 'embeddimg.weight': found .*; the architecture has nothing",
    ),
    # sizes that are not so
    "parameters": (in_manifest("sizes", "parameters", value=9), r"sizes.parameters is 9"),
    "huge units": (
        in_manifest("architecture", "layers", 0, "d_mlp", value=[10**30]),
        r"sizes.parameters is",
    ),
    "huge, all agree": (huge_everywhere, r"invalid shape, data type, or offset for tensor"),
    "huge entities": (
        in_manifest("sizes", "entities", value=10**15),
        r"sizes.d_vocab is 9; 1,000,000,000,000,000 entities",
    ),
    "fewer entities": (
        in_manifest("sizes", "entities", value=5),
        r"sizes.d_vocab is 9; 5 entities, 2 .* tokens? are 8",
    ),
    "huge repeats": (
        in_manifest("architecture", "repeats", value=10**12),
        r"selector has other sizes here",
    ),
    "dtype of model": (in_manifest("dtype", value="float64"), r"found F32 .*architecture has F64"),
    "no dtype": (in_manifest("dtype", value="int8"), r"dtype is 'int8'; one of float64"),
    "hops": (in_manifest("sizes", "hops", value=2), r"sizes.hops is 2, and there are 0 positions"),
    # contents that are not so
    "construction": (
        in_manifest("construction", value="superposition"),
        r"construction is 'superposition', but selector",
    ),
    "no builder": (
        in_manifest("builder", value="eval"),
        r"no builder is named 'eval'; there are selector",
    ),
    "other builder": (
        in_manifest("builder", value="superposition"),
        r"superposition cannot be built of this folder",
    ),
    "options of none": (
        in_manifest("options", "beta", value=3),
        r"selector has the options \[\]; got \['beta'\]",
    ),
    "specials": (
        in_manifest("specials", value=["end"]),
        r"specials is \['end'\]; \['unknown'\] or",
    ),
    "special renamed": (
        rewrite("vocabulary.txt", lambda raw: raw.replace(b"unknown", b"unknowm")),
        r"vocabulary.txt: ends with \['unknowm'\]; \['unknown'\]",
    ),
    "names not UTF-8": (
        rewrite("vocabulary.txt", lambda raw: b"\xff" + raw),
        r"vocabulary.txt: is not UTF-8",
    ),
    "names repeated": (
        rewrite("vocabulary.txt", lambda raw: raw.replace(b"e1", b"e0")),
        r"vocabulary.txt: .*distinct",
    ),
    "names end": (rewrite("vocabulary.txt", lambda raw: raw[:-1]), r"vocabulary.txt: has"),
    "names beyond": (
        rewrite("vocabulary.txt", lambda raw: raw + b"x"),
        r"has 9 lines and, after the last, a piece without an end",
    ),
    "no fact": (rewrite("facts.tsv", lambda raw: b"e0 r0 e1\n"), r"facts.tsv:1:\d+: 1 field"),
    "stranger": (
        rewrite("facts.tsv", lambda raw: raw + b"zz\tr0\te1\n"),
        r"facts.tsv: no entity is named 'zz'",
    ),
    "strange relation": (
        rewrite("facts.tsv", lambda raw: raw + b"e0\tzz\te1\n"),
        r"facts.tsv: no relation is named 'zz'",
    ),
    "no code": (
        in_header(
            lambda header: header["0"].update(shape=[7], data_offsets=[4, 60]),
            "codebooks.safetensors",
        ),
        r"codebooks.safetensors: is refused by safetensors \(.*invalid offset for tensor `0`",
    ),
    "book renamed": (
        in_header(
            lambda header: json.dumps(header).replace('"0"', '"1"'), "codebooks.safetensors"
        ),
        r"codebooks.safetensors: the tensors '0', '1', ... with I64 tokens are expected",
    ),
    "book not in order": (
        rewrite("codebooks.safetensors", lambda raw: raw[:-8] + bytes(8)),
        r"the tokens of codebook 0 must increase strictly within 0..8",
    ),
    "book beyond": (
        rewrite("codebooks.safetensors", lambda raw: raw[:-8] + (9).to_bytes(8, "little")),
        r"the tokens of codebook 0 must increase strictly within 0..8",
    ),
}
DEFECTS_OF_OPTIONS = [
    (
        with_codebooks([0, 1], [2, 3]),
        r"the number of codebooks is 2, and a model of key_value has 1",
    ),
    (with_codebooks([0, 1, 2]), r"key_value takes no codebook, and gives codes to other tokens"),
    (with_codebooks([0, 1, 2, 3, 4, 5, 8]), r"key_value.* cannot be built of this folder"),
    (in_manifest("options", "hops", value=10**9), r"hops is 1,000,000,000, and models are"),
    (in_manifest("options", "hops", value=None), r"hops must be an integer; got None"),
    (in_manifest("options", "share_layers", value=True), r"key_value_shared has other sizes here"),
    (
        without("options", "share_layers"),
        r"key_value has the options \['hops', 'share_layers'\]; got \['hops'\]",
    ),
    (
        lambda path: (
            in_manifest("options", "hops", value=10**9)(path),
            in_manifest("sizes", "hops", value=10**9)(path),
        ),
        r"sizes.hops is 1000000000, and there are 3 positions",
    ),
    (in_manifest("builder", value="precomputed"), r"precomputed has the options"),
    (in_manifest("builder", value="key_value_rows"), r"key_value_rows has other sizes here"),
]
DEFECTS_OF_PACKED_FACTS = [
    (
        rewrite("facts.safetensors", lambda raw: raw[:-4] + (3).to_bytes(4, "little")),
        r"facts.safetensors: answers\[",
    ),
    (
        in_header(lambda header: header["facts"].update(shape=[3, 1]), "facts.safetensors"),
        r"facts.safetensors: has the tensors .*\(3, 1\).* is expected",
    ),
    (
        in_header(lambda header: json.dumps(header).replace("facts", "f"), "facts.safetensors"),
        r"is expected",
    ),
    (lambda path: (path / "vocabulary.txt").rename(path / "codebooks.safetensors"), r"codebooks"),
]
