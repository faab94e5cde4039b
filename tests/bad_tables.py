"""Fact files with a defect, each with the message it must get; odd ones that are sound; foreign
ones.

A message is checked as `FILE:` followed by the given text; `...` inside the text stands for
anything.
"""

T = b"\t"

BAD: dict[str, tuple[bytes, str]] = {
    "a line that may be a comment or a fact": (
        b"C#\tdesigner\tH\n#MeToo\tcountry\tUS\n",
        "2:1: a line that starts with # and holds a TAB: a comment, or a fact; ...'#literal'",
    ),
    "a fact out of use": (
        b"a\tb\tc\n# a\tb\tx\n",
        "2:1: a line that starts with # and holds a TAB",
    ),
    "a comment with one TAB": (
        b"#\tsaid\na\tb\tc\n",
        "1:1: a line that starts with # and holds a TAB",
    ),
    "a comment with a NUL": (b"# \0\na\tb\tc\n", "1:3: U+0000 in a comment"),
    "#literal below": (
        b"a\tb\tc\n#literal\n",
        "2:1: '#literal' below the first line; make it the first line",
    ),
    "#literal twice": (b"#literal\n#literal\na\tb\tc\n", "2:9: 1 field where 3 are expected"),
    "a comment after #literal": (
        b"#literal\n# said\na\tb\tc\n",
        "2:7: 1 field where 3 are expected",
    ),
    "#literal alone": (b"#literal\n", " no facts: only blank and comment lines"),
    "two objects after #literal": (
        b"#literal\n#\tb\tc\n#\tb\td\n",
        "3:5: (#, b) has the object 'd', but line 2 gave",
    ),
    "N-Triples with spaces": (
        b"<a> <p> <b> .\n",
        "1:14: 1 field where 3 are expected; ...a line of RDF (N-Triples)",
    ),
    "N-Triples with a TAB before the dot": (
        b"<a>\t<p>\t<b>\t.\n",
        "1:12: 4 fields ...a line of RDF (N-Triples)",
    ),
    "N-Quads": (b"<a>\t<p>\t<b>\t<g> .\n", "1:12: 4 fields ...a line of RDF (N-Triples)"),
    "trailing empty columns": (b"a\tb\tc\t\t\n", "1:6: 5 fields where 3 are expected"),
    "a column of row numbers": (b"0\ta\tb\tc\n", "1:6: 4 fields where 3 are expected"),
    "a title for the row numbers": (b"\thead\ttail\n", "1:1: the subject is empty"),
    "cp1252 quotes": (b"a\tb\t\x93c\x94\n", "1:5: byte 0x93 is not UTF-8"),
    "UTF-16 without a mark": (
        "a\tb\tc\nd\te\tf\n".encode("utf-16-le"),
        "1:1: every other byte is 0, as in UTF-16",
    ),
    "UTF-32": ("a\tb\tc\n".encode("utf-32"), "1:1: a UTF-16 byte order mark"),
    "empty": (b"", " no facts: the file is empty"),
    "only newlines": (b"\n\n\n", " no facts: the file is empty"),
    "only spaces": (b"   \n  ", " no facts: the file is empty"),
    "only a byte order mark": (b"\xef\xbb\xbf", " no facts"),
    "only comments": (b"# nothing\n# here\n", " no facts: only blank and comment lines"),
    "one field": (b"Alice\n", "1:6: 1 field where 3 are expected; ...TAB"),
    "two fields": (b"Alice\tmother\n", "1:13: 2 fields where 3 are expected"),
    "four fields": (b"a\tb\tc\td\n", "1:6: 4 fields where 3 are expected"),
    "five fields on line 2": (b"a\tb\tc\na\tb\tc\td\te\n", "2:6: 5 fields where 3 are expected"),
    "spaces for tabs": (
        b"Alice mother Beth\n",
        "1:18: 1 field where 3 are expected; ...not spaces",
    ),
    "commas for tabs": (b"Alice,mother,Beth\n", "1:18: 1 field where 3 are expected"),
    "trailing tab": (b"a\tb\tc\t\n", "1:6: 4 fields where 3 are expected"),
    "leading tab": (b"\ta\tb\tc\n", "1:5: 4 fields where 3 are expected"),
    "empty subject": (b"\tmother\tBeth\n", "1:1: the subject is empty"),
    "empty relation": (b"Alice\t\tBeth\n", "1:7: the relation is empty"),
    "empty object": (b"Alice\tmother\t\n", "1:14: the object is empty"),
    "two tabs alone": (b"a\tb\tc\n\t\t\n", "2:1: fields with nothing in them"),
    "leading space": (b" Alice\tmother\tBeth\n", "1:1: a leading space in the subject ' Alice'"),
    "trailing space": (b"Alice \tmother\tBeth\n", "1:6: a trailing space in the subject 'Alice '"),
    "space before relation": (b"Alice\t mother\tBeth\n", "1:7: a leading space in the relation"),
    "space after object": (b"Alice\tmother\tBeth \n", "1:18: a trailing space in the object"),
    "field of one space": (b"Alice\t \tBeth\n", "1:7: a leading space in the relation"),
    "no-break space at the end": (
        "Alice\tmother\tBeth\u00a0\n".encode(),
        "1:18: a trailing space in the object",
    ),
    "NUL": (b"Al\x00ice\tmother\tBeth\n", "1:3: U+0000 ... in the subject"),
    "bell": (b"Alice\tmo\x07ther\tBeth\n", "1:9: U+0007"),
    "escape": (b"Alice\tmother\t\x1b[31mBeth\n", "1:14: U+001B"),
    "delete": (b"Alice\tmother\tBeth\x7f\n", "1:18: U+007F"),
    "C1 control": ("Alice\tmother\tBe\u0085th\n".encode(), "1:16: U+0085"),
    "line separator": ("Alice\tmother\tBe\u2028th\n".encode(), "1:16: U+2028 (LINE SEPARATOR)"),
    "paragraph separator": ("Alice\tmo\u2029ther\tBeth\n".encode(), "1:9: U+2029"),
    "byte order mark inside": ("Alice\tmother\t\ufeffBeth\n".encode(), "1:14: U+FEFF"),
    "two byte order marks": (b"\xef\xbb\xbf\xef\xbb\xbfAlice\tmother\tBeth\n", "1:1: U+FEFF"),
    "vertical tab": (b"Alice\tmother\tBe\x0bth\n", "1:16: U+000B"),
    "CR alone": (
        b"a\tb\tc\rd\te\tf\r",
        "1:6: a carriage return inside a line; end lines with LF or CRLF",
    ),
    "CR in a name": (b"a\tb\tc\rd\n", "1:6: U+000D"),
    "CR in a comment": (b"#c\rx\tr\ty\na\tr\tb\n", "1:3: a carriage return inside a line"),
    "CR CR LF": (b"a\tb\tc\r\r\n", "1:6: U+000D"),
    "latin-1": (b"Andr\xe9\tmother\tBeth\n", "1:5: byte 0xE9 is not UTF-8"),
    "latin-1 on line 3": (b"a\tb\tc\nd\tb\te\nAndr\xe9\tb\tc\n", "3:5: byte 0xE9 is not UTF-8"),
    "cut multi-byte character": (b"a\tb\tc\xc3\n", "1:6: byte 0xC3 is not UTF-8"),
    "overlong encoding": (b"a\tb\t\xc0\xafc\n", "1:5: byte 0xC0 is not UTF-8"),
    "encoded surrogate": (b"a\tb\t\xed\xa0\x80\n", "1:5: byte 0xED is not UTF-8"),
    "UTF-16 little endian": (
        "a\tb\tc\n".encode("utf-16"),
        "1:1: a UTF-16 byte order mark; save the file as UTF-8",
    ),
    "UTF-16 big endian": (
        b"\xfe\xff" + "a\tb\tc\n".encode("utf-16-be"),
        "1:1: a UTF-16 byte order mark",
    ),
    "two objects": (
        b"Alice\tmother\tBeth\nAlice\tmother\tCarla\n",
        (
            "2:14: (Alice, mother) has the object 'Carla', but line 1 gave 'Beth'; ...keep one of"
            " lines 1 and 2"
        ),
    ),
    "two objects far apart": (
        b"a\tb\tc\n" + b"# x\n" * 5 + b"a\tb\td\n",
        "7:5: ...keep one of lines 1 and 7",
    ),
    "two spellings of a subject": (
        "Jos\u00e9\tmother\tBeth\nJose\u0301\tfather\tCarl\n".encode(),
        (
            "2:1: ...of line 1 differ only by Unicode normalization; spell the name alike on lines"
            " 1 and 2"
        ),
    ),
    "two spellings, object and subject": (
        "Beth\tson\tJos\u00e9\nJose\u0301\tfather\tCarl\n".encode(),
        "2:1: ...differ only by Unicode normalization",
    ),
    "two spellings of a relation": (
        "a\tp\u00e8re\tb\nb\tpe\u0300re\tc\n".encode(),
        "2:3: ...differ only by Unicode normalization",
    ),
    "a spelling that normalizes to ASCII": (
        "K\tunit\ttemperature\n\u212a\tname\tKelvin\n".encode(),
        "2:1: ...of line 1 differ only by Unicode normalization",
    ),
    "a subject in quotes over two lines": (
        b'"Alice\nA."\tmother\tBeth\n',
        "1:7: 1 field where 3 are expected",
    ),
}

GOOD: dict[str, tuple[bytes, set[tuple[str, str, str]], int]] = {
    "plain": (b"a\tb\tc\n", {("a", "b", "c")}, 0),
    "no newline at the end": (b"a\tb\tc", {("a", "b", "c")}, 0),
    "CRLF": (b"a\tb\tc\r\nd\tb\te\r\n", {("a", "b", "c"), ("d", "b", "e")}, 0),
    "LF and CRLF mixed": (b"a\tb\tc\r\nd\tb\te\n", {("a", "b", "c"), ("d", "b", "e")}, 0),
    "byte order mark": (b"\xef\xbb\xbfa\tb\tc\n", {("a", "b", "c")}, 0),
    "comments and blank lines": (b"# family\n\na\tb\tc\n   \n#a b x\n", {("a", "b", "c")}, 0),
    "exact repeats": (b"a\tb\tc\na\tb\tc\na\tb\tc\n", {("a", "b", "c")}, 2),
    "spaces inside names": (
        b"Alice A.\tbirth place\tNew York\n",
        {("Alice A.", "birth place", "New York")},
        0,
    ),
    "quotes are part of a name": (b'"a"\tb\t"c\n', {('"a"', "b", '"c')}, 0),
    "numbers stay text": (
        b"007\tis\tNA\n7\tis\tnan\n",
        {("007", "is", "NA"), ("7", "is", "nan")},
        0,
    ),
    "a fact about itself": (b"a\tb\ta\n", {("a", "b", "a")}, 0),
    "one name in all three places": (b"a\ta\ta\n", {("a", "a", "a")}, 0),
    "a hash inside": (b"C#\tis\tlanguage #1\n", {("C#", "is", "language #1")}, 0),
    "other scripts": ("王\t母\t李\n".encode(), {("王", "母", "李")}, 0),
    "beyond the basic plane": ("😀\tis\t🙂\n".encode(), {("😀", "is", "🙂")}, 0),
    "a decomposed name, alone": ("Jose\u0301\tb\tc\n".encode(), {("Jose\u0301", "b", "c")}, 0),
    "compatible characters are different names": (
        "\ufb01\tb\tfi\n".encode(),
        {("\ufb01", "b", "fi")},
        0,
    ),
    "case matters": (b"a\tb\tA\nA\tb\ta\n", {("a", "b", "A"), ("A", "b", "a")}, 0),
    "a zero width joiner inside": ("a\u200db\tr\tc\n".encode(), {("a\u200db", "r", "c")}, 0),
    "one spelling for an entity, another for a relation": (
        "Jos\u00e9\tJose\u0301\tx\n".encode(),
        {("Jos\u00e9", "Jose\u0301", "x")},
        0,
    ),
    "#literal": (b"#literal\n#a\tb\t#c\n", {("#a", "b", "#c")}, 0),
    "#literal with CRLF and a byte order mark": (
        b"\xef\xbb\xbf#literal\r\n\r\n#a\tb\tc\r\n#a\tb\tc",
        {("#a", "b", "c")},
        1,
    ),
    "a comment like #literal": (b"# literal\n#literals\na\tb\tc\n", {("a", "b", "c")}, 0),
    "a very long name": (b"a" * 10_000 + b"\tb\tc\n", {("a" * 10_000, "b", "c")}, 0),
}

FOREIGN: dict[str, tuple[bytes, str]] = {
    "titles alone": (
        b"subject\tpredicate\tobject\n",
        "1:1: the column titles 'subject', 'predicate', 'object', not",
    ),
    "titles": (
        b"head\trelation\ttail\na\tr\tb\n",
        "1:1: the column titles 'head', 'relation', 'tail', not a fact; delete",
    ),
    "titles of a second file": (b"a\tr\tb\nhead\trelation\ttail\n", "2:1: the column titles"),
    "titles twice": (
        b"head\trelation\ttail\na\tr\tb\nhead\trelation\ttail\n",
        "1:1: the column titles",
    ),
    "SPARQL variables": (
        b"?s\t?p\t?o\n<a>\t<p>\t<b>\n",
        "1:1: the column titles '?s', '?p', '?o'",
    ),
    "titles in quotes": (b'"Head"\t"Relation"\t"Tail"\n"a"\t"r"\t"b"\n', "1:1: the column titles"),
    "titles in German": (
        "Subjekt\tPrädikat\tObjekt\na\tr\tb\n".encode(),
        "1:1: the column titles",
    ),
    "titles of Neo4j": (b":START_ID\t:TYPE\t:END_ID\na\tr\tb\n", "1:1: the column titles"),
    "titles in another order": (
        b"head\ttail\trelation\na\tb\tr\n",
        (
            "1:1: column titles in another order: ...; put the columns into the order subject,"
            " relation, object"
        ),
    ),
    "titles beside a relation of that name": (
        b"source\ttype\ttarget\na\ttype\tb\n",
        "1:1: the column titles",
    ),
    "letters": (
        b"s\tp\to\na\tr\tb\n",
        "1:1: the column titles 's', 'p', 'o': the relation has no other fact",
    ),
    "a ruled line": (b"a\tr\tb\n---\t---\t---\n", "2:1: a ruled line, not a fact"),
    "N-Triples": (
        b"<a>\t<p>\t<b> .\n<b>\t<p>\t<c> .\n",
        "2:9: a line of RDF (N-Triples, Turtle): '.' at the end of the object '<c> .'",
    ),
    "one line of N-Triples": (b"a\tr\tb\n<b>\t<p>\t<c>.\n", "2:9: a line of RDF"),
    "a literal of N-Triples": (b'<a>\t<p>\t"Rom"@de .\n', "1:9: a line of RDF"),
    "N-Quads, the graph after a space": (b"<a>\t<p>\t<b> <g> .\n", "1:9: a line of RDF"),
    "Turtle": (b"ex:a\tex:p\tex:b ;\n", "1:11: a line of RDF"),
    "a prefix of Turtle": (
        b"@prefix\tex:\t<http://example.org/> .\n",
        "1:1: the RDF directive '@prefix', not a fact",
    ),
    "dots after all objects": (
        b"a\tr\tb .\nb\tr\tc .\n",
        "1:5: every object ends with ' .', here 'b .'",
    ),
    "commas after all objects": (
        b"a\tr\tb,\nb\tr\tc,\n",
        "2:5: every object ends with ',', here 'c,'",
    ),
    "a semicolon after the object": (b"x\ta\tb;\n", "1:5: every object ends with ';', here 'b;'"),
    "a list": (b"- a\tr\tb\n- b\tr\tc\n", "1:1: every subject starts with '- ', here '- a'"),
    "a quoted letter": (
        b"> a\tr\tb\n> b\tr\tc\n",
        "2:1: every subject starts with '> ', here '> b'",
    ),
    "tuples": (
        b"(a\tr\tb)\n(b\tr\tc)\n",
        "1:1: every line is in brackets, here from '(a' to 'b)'",
    ),
    "escaped by HTML here, not there": (
        b"AT&amp;T\tr\tx\nx\tr\tAT&T\n",
        (
            "2:5: 'AT&T' ('AT&T') and 'AT&amp;T' ('AT&amp;T') of line 1 are one name, of which"
            " HTML has escaped"
        ),
    ),
    "read as Windows-1252 here, not there": (
        "Z\u00fcrich\tr\tx\nx\tr\tZ\u00c3\u00bcrich\n".encode(),
        "2:5: ...of line 1 are one name, which was read as Windows-1252 although it was UTF-8",
    ),
    "all in quotes": (b'"a"\t"r"\t"b"\n', "1:1: all three fields are in quotes"),
    "all in single quotes": (b"'a'\t'r'\t'b'\n", "1:1: all three fields are in quotes"),
    "quoted as in CSV": (b'a\tr\t"the ""Rock"""\n', "1:5: ...is quoted as in a CSV file"),
    "nothing in quotes": (b'a\tr\t""\n', "1:5: ...is quoted as in a CSV file"),
    "quoted here, not there": (
        b'a\tr\t"b"\nb\tr\ta\n',
        "2:1: 'b' ('b') and ...of line 1 differ only in spaces, quotes",
    ),
    "no value in a database": (
        b"a\tr\t\\N\n",
        "1:5: the name is '\\N', by which databases say that there is none",
    ),
    "a lost character": ("Z\ufffdrich\tr\tb\n".encode(), "1:1: U+FFFD in 'Z\ufffdrich'"),
    "a name that cannot be seen": (
        "a\tr\t\u200b\u200e\n".encode(),
        "1:5: nothing in the name '\\u200b\\u200e' can be seen",
    ),
    "a no-break space here, a space there": (
        "New York\tr\ta\na\tr\tNew\u00a0York\n".encode(),
        (
            "2:5: 'New\\xa0York' ('New\\xa0York') and 'New York' ('New York') of line 1 differ"
            " only in spaces"
        ),
    ),
    "two spaces here, one there": (
        b"a  b\tr\tc\nc\tr\ta b\n",
        "2:5: ...of line 1 differ only in spaces",
    ),
    "a zero width space here, none there": (
        "ab\tr\tc\na\u200bb\tq\tc\n".encode(),
        "2:1: ...differ only in spaces",
    ),
    "a zero width space at the end": (
        "ab\u200b\tr\tc\nc\tr\tab\n".encode(),
        "2:5: ...differ only in spaces",
    ),
    "two zero width characters": (
        "a\u200cb\tr\tc\na\u200db\tq\tc\n".encode(),
        "2:1: ...differ only in spaces",
    ),
    "relations that look alike": (
        "a\tis in\tc\nc\tis\u00a0in\ta\n".encode(),
        "2:3: ...differ only in spaces",
    ),
}
"""Tables that fit the grammar but that another format wrote; below `#literal` they are facts."""

SOUND: dict[str, str] = {
    "titles as names": "head\tpart of\tbody\ntail\tpart of\tbody\nsubject\ttype\tword\n",
    "two titles": "head\trelation\tbody\nvalue\ttype\tnumber\n",
    "letters of a graph": "h\tr\tt\nt\tr\th\ns\tp\to\no\tp\ts\n",
    "default names": "e0\tr0\te1\ne1\tr0\te2\ne1\tr1\te2\n",
    "one variable": "?x\tis\ta variable\n?x\t?r\tx\n",
    "one dash": "-\tis\t---\n---\t-\tdash\n",
    "IRIs without a dot": "<a>\t<p>\t<b>\n<b>\t<p>\t<c>\n",
    "a dot at the end of some names": (
        "Bob\tborn in\tWashington D.C.\nBob\tsong\tWait . .\nBob\tsister\tEve\n"
    ),
    "a dot after an abbreviation": "ex:a\tex:in\tWashington D.C.\n<a>\t<in>\tSt. Louis, Mo.\n",
    "punctuation": ".\tname\tfull stop\ncomma\tsign\t,\n",
    "quotes that belong to names": (
        '"Heroes"\tby\tDavid Bowie\n"Weird Al" Yankovic\tborn\t1959\nx\tby\t"\n'
    ),
    "quotes in two of three fields": '"a"\tr\t"b"\n',
    "a backslash": "\\n\tis\t\\\\N\n",
    "flags that differ in tags": (
        "\U0001f3f4\U000e0067\U000e007f\tis\tx\n\U0001f3f4\U000e0073\U000e007f\tis\ty\n"
    ),
    "joined emoji, and no other": "\U0001f469\u200d\U0001f680\tis\tan astronaut\n",
    "no-break spaces throughout": "New\u00a0York\tin\tUSA\nBob\tlives in\tNew\u00a0York\n",
    "numbers and NA": "0\t1\t2\n1\t1\tNA\n2\t1\tNULL\n",
    "case": "Mother\tmother\tMOTHER\n",
    "commas after some objects": "a\tr\tb,\nb\tr\tc\n",
    "different marks after objects": "a\tr\tb,\nb\tr\tc;\n",
    "marks that are names": "comma\tsign\t,\n",
    "a dash before some subjects": "- a\tr\tb\nb\tr\tc\n",
    "signs of numbers": "-1\tsquare\t1\n-2\tsquare\t4\n",
    "brackets that belong to names": "(I Can't Get No) Satisfaction\tby\tRolling Stones (band)\n",
    "escapes throughout": "AT&amp;T\tr\tx\nx\tr\tAT&amp;T\n",
    "a brand": "NESTL\u00c9\u00ae\tin\tVevey\n",
    "letters of two scripts": "\u0430\tis\tCyrillic\na\tis\tLatin\n",
}
"""Tables that are like those of other formats, and mean what they say, without `#literal`."""
