"""iota2's syntax of a configuration file, read by the PyPI package `config`.

The package's own parser is lenient where a mistake would go unseen (it stops in
silence at a stray brace, joins strings that stand side by side, lets a quote run
over lines, reads 010 as 8), so its tokens are checked before it sees them.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Sequence
from typing import Any

from config import parser as grammar
from config import tokens as lex

from .plain_data import REFUSED, Fault, KeyPath, Place, make_dict, make_list, plain, short

OPENERS = {lex.LCURLY: lex.RCURLY, lex.LBRACK: lex.RBRACK}
SETTERS = {lex.COLON, lex.ASSIGN}
NUMBERS = {lex.INTEGER, lex.FLOAT}
SCALARS = NUMBERS | {lex.WORD, lex.STRING, lex.TRUE, lex.FALSE, lex.NONE}
PLAIN = SCALARS | SETTERS | set(OPENERS) | set(OPENERS.values())
PLAIN |= {lex.COMMA, lex.NEWLINE, lex.EOF}

EVALUATED = {
    lex.BACKTICK: "a backtick expression",
    lex.AT: "'@' (an include)",
    lex.DOLLAR: "'$' (a reference)",
    lex.COMPLEX: "a complex number",
}

LEADING_ZERO = re.compile(r"-?0[0-9_]")

# What the package's tokenizer says, and what it means for the user.
LEXICAL = (
    (r".*`-string", REFUSED.format(EVALUATED[lex.BACKTICK])),
    (r"Unterminated quoted string", "got a string without an end, expected its closing quote"),
    (r"Invalid escape sequence", "got an unknown escape in a string, expected '\\\\' or '/'"),
    (r"Badly-formed number: (.*)", "got the number {}, expected one such as 10, 0.5, 1e5 or 1e-5"),
    (r"Invalid '_'", "got '_' in a wrong place of a number, expected a digit"),
    (
        r"Invalid character in number: (.)",
        "got '{}' in a number, expected digits (text stands in quotes)",
    ),
    (r"Unexpected character: (.*)", "got {}, expected a key or a value (text stands in quotes)"),
)


def parse(text: str, positions: dict[KeyPath, Place]) -> dict[str, Any]:
    """Parse a text in iota2's syntax; fill `positions`."""
    tokens = _tokens(text)
    _check_layout(tokens)
    root = _tree(tokens)
    if not isinstance(root, grammar.MappingBody):
        raise Fault((1, 1), "got a list, expected sections such as chain")
    data: dict[str, Any] = _value(root, (), positions)
    return data


def _value(node: Any, here: KeyPath, positions: dict[KeyPath, Place]) -> Any:
    """Give the plain value of a node of the package's tree."""
    if isinstance(node, grammar.MappingBody):
        entries = ((key.value, key.start, value) for key, value in node)
        return make_dict(entries, here, positions, _value)
    if isinstance(node, grammar.ListBody):
        return make_list(((item.start, item) for item in node), here, positions, _value)
    return plain(node.value, node.start)


def _tokens(text: str) -> list[lex.Token]:
    """Cut a text into tokens, none of them to be evaluated."""
    tokenizer = lex.Tokenizer(io.StringIO(text))
    result: list[lex.Token] = []
    while not result or result[-1].kind != lex.EOF:
        try:
            token = tokenizer.get_token()
        except lex.TokenizerError as error:
            raise _lexical_fault(error) from None
        if token.kind in EVALUATED:
            raise Fault(token.start, REFUSED.format(EVALUATED[token.kind]))
        if token.kind == lex.STRING and _runs_over_lines(token.text):
            raise Fault(token.start, "got a string open at the end of its line, expected a quote")
        result.append(token)
    return result


def _runs_over_lines(text: str) -> bool:
    return "\n" in text and not text.startswith(('"""', "'''"))


def _lexical_fault(error: lex.TokenizerError) -> Fault:
    """Say in our words what the package's tokenizer refuses."""
    message = str(error)
    for pattern, text in LEXICAL:
        if found := re.match(pattern, message, re.DOTALL):
            return Fault(error.location, text.format(*map(short, found.groups())))
    return Fault(error.location, f"got {short(message)}, expected a key, a value or a bracket")


def _check_layout(tokens: Sequence[lex.Token]) -> None:
    """Check that brackets pair, values stand apart, and nothing is to be evaluated."""
    opened: list[lex.Token] = []
    for index, token in enumerate(tokens):
        if token.kind in OPENERS or token.kind in OPENERS.values() or token.kind == lex.EOF:
            _check_bracket(token, opened)
        _check_neighbours(tokens, index, opened)
        if token.kind in NUMBERS and LEADING_ZERO.match(token.text):
            raise Fault(token.start, f"got {_told(token)}, expected a number without leading zero")


def _check_bracket(token: lex.Token, opened: list[lex.Token]) -> None:
    """Follow one bracket, or the end of the text; `opened` holds those still open."""
    if token.kind in OPENERS:
        opened.append(token)
    elif opened and OPENERS[opened[-1].kind] == token.kind:
        opened.pop()
    elif opened:
        opener = opened[-1]
        wanted = f"'{OPENERS[opener.kind]}' for the '{opener.kind}' of line {opener.start[0]}"
        raise Fault(token.start, f"got {_told(token)}, expected {wanted}")
    elif token.kind != lex.EOF:
        raise Fault(token.start, f"got {_told(token)}, expected no bracket here: none is open")


def _check_neighbours(tokens: Sequence[lex.Token], index: int, opened: Sequence[lex.Token]) -> None:
    """Check that the token at `index` may follow those before it."""
    token, last = tokens[index], tokens[index - 1] if index else None
    got = f"got {_told(token)}, expected "
    if token.kind not in PLAIN:
        hint = " (expressions are refused; text, and a key with other signs, stands in quotes)"
        raise Fault(token.start, got + _expected(tokens, index) + hint)
    ends = SCALARS | set(OPENERS.values())
    if last and last.kind in ends and token.kind in SCALARS | set(OPENERS):
        raise Fault(token.start, got + _expected(tokens, index))
    if token.kind == lex.WORD and _stands_for_value(tokens, index, opened):
        hint = "'{' or a value" if tokens[index + 1].kind in SETTERS else "a value"
        raise Fault(token.start, f"{got}{hint} (text stands in quotes; True, False, None do not)")


def _stands_for_value(tokens: Sequence[lex.Token], index: int, opened: Sequence[lex.Token]) -> bool:
    """Tell whether a value is due at `index`: after a colon, or in a list."""
    before = index - 1
    while before > 0 and tokens[before].kind == lex.NEWLINE:
        before -= 1
    after_setter = before >= 0 and tokens[before].kind in SETTERS
    return after_setter or bool(opened and opened[-1].kind == lex.LBRACK)


def _innermost(kinds: Iterable[str]) -> str:
    """Give the bracket that is open after these tokens, empty at the top."""
    opened = [""]
    for kind in kinds:
        if kind in OPENERS:
            opened.append(kind)
        elif kind in OPENERS.values():
            opened.pop()
    return opened[-1]


def _expected(tokens: Sequence[lex.Token], index: int) -> str:
    """Name what may stand at `index`, for a message."""
    before = [token.kind for token in tokens[:index] if token.kind != lex.NEWLINE]
    last = before[-1] if before else ""
    if last in SETTERS:
        return "a value"
    inside = _innermost(before)
    fresh = last in ("", lex.COMMA, *OPENERS) or tokens[index - 1].kind == lex.NEWLINE
    if inside == lex.LBRACK:
        return "a value or ']'" if fresh else "',', a new line or ']'"
    if fresh:
        return "a key or '}'" if inside else "a key"
    is_key = last in (lex.WORD, lex.STRING) and (len(before) < 2 or before[-2] not in SETTERS)
    return "':' after the key" if is_key else "',' or a new line"


def _told(token: lex.Token) -> str:
    """Name a token for a message."""
    if token.kind in (lex.EOF, lex.NEWLINE):
        return "the end of the file" if token.kind == lex.EOF else "the end of the line"
    text = short(token.text)
    return text if token.kind == lex.STRING else f"'{text}'"


class _Replay:
    """Checked tokens in the place of the package's tokenizer."""

    def __init__(self, tokens: Sequence[lex.Token]) -> None:
        self.tokens = tokens
        self.index = -1

    def get_token(self) -> lex.Token:
        self.index = min(self.index + 1, len(self.tokens) - 1)
        return self.tokens[self.index]


def _tree(tokens: Sequence[lex.Token]) -> Any:
    """Make the package's tree of nodes from all tokens."""
    parser = grammar.Parser()
    replay = parser.tokenizer = _Replay(tokens)
    try:
        root = parser.container()
        done = parser.at_end
    except grammar.ParserError:
        done = False
    if not done:
        got, expected = _told(tokens[replay.index]), _expected(tokens, replay.index)
        raise Fault(tokens[replay.index].start, f"got {got}, expected {expected}")
    return root
