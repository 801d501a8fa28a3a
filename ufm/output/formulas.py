r"""Formulas of the catalogue as a terminal shows them: λ_W λ_H, (x/g) w_c, √(a/b), e^(x_k), in plain characters.

Of LaTeX only what the theorems use; what no rule knows keeps its backslash, for a test to see. Libraries that do
this lose brackets: \tfrac{x}{K-1} must not become x/K-1, nor e^{x_k} e^x_k.
"""

import re

WORDS = set(re.findall(r"\w+", "log max min rank softmax tanh cos sin tr diag cov CE Ent Ei logit dist conv"))
MEAN = "\ue000"  # E, which stands apart from what follows
GREEK = """alpha α beta β gamma γ delta δ varepsilon ε eta η theta θ lambda λ mu μ rho ρ sigma σ tau τ omega ω pi π
    Pi Π Lambda Λ Sigma Σ"""
SIGNS = """sum Σ nabla ∇ infty ∞ ell ℓ perp ⊥ top ⊤ le ≤ ge ≥ ne ≠ to → in ∈ ni ∋ iff ⇔ implies ⇒ sim ~ cdot ·
    propto ∝ succeq ⪰ preceq ⪯ dots … langle ⟨ rangle ⟩ | ‖ { { } }"""
SYMBOLS = {name: name for name in WORDS} | dict(re.findall(r"(\S+) (\S+)", GREEK + "\n" + SIGNS))
SYMBOLS |= {",": " ", " ": " ", "quad": "\n", "\\": "; "}
SPACED = set("≤≥≠→∈∋∉∌⇔⇒~·∝⪰⪯<>=")  # with a space on either side
NEGATED = {"∈": "∉", "∋": "∌", "=": "≠", "∝": "not ∝"}
NOTHING = {"!", "big", "textstyle"}
NAMES = {"mathrm", "operatorname", "text", "mathbf", "mathbb"}  # of which the argument is shown
ACCENTS = {"hat": "\u0302", "dot": "\u0307", "bar": "\u0304"}
SCRIPTS = {"^2": "²", "^3": "³", "^⊤": "ᵀ", "^*": "*", "_+": "₊"}
TOKEN = re.compile(r"\\[a-zA-Z]+|\\.|\s+|.", re.S)
LETTER = r"[^\W\d_²³]"
ATOM = re.compile(
    rf"d?{LETTER}[\u0302\u0304]?'?(_\w+|²|³|\*)*|\d+|√\w|√?\([^()]*\)"
)  # needs no bracket below a stroke


def readable(text: str, space: str = " ") -> str:
    """Words with formulas between dollars; space: what stands for one within a formula."""
    parts = text.split("$")
    return "".join(
        plain(part).replace("\n", " ").replace(" ", space) if n % 2 else part for n, part in enumerate(parts)
    )


def plain(formula: str) -> str:
    """A formula; a line for each of its parts."""
    tokens = [token if token.strip() else " " for token in TOKEN.findall(formula)]
    text = re.sub(rf"{MEAN}(?={LETTER})", "E ", _sequence(tokens)).replace(MEAN, "E")
    for found, wanted in ((r" +", " "), (r" ([,;:.)\]}⟩])", r"\1"), (r"([(⟨∇]) ", r"\1"), (r": = ", " := ")):
        text = re.sub(found, wanted, text)
    return "\n".join(line.strip() for line in text.split("\n"))


def _sequence(tokens: list[str]) -> str:
    """The tokens in order, used up."""
    out = ""
    while tokens:
        stroke = tokens[0] in (r"\frac", r"\tfrac")
        piece = _piece(tokens)
        if stroke and _ends_in_word(out) and piece[0] != "(":
            piece = f"({piece})"
        out += " " * _touch(out, piece) + piece
    return out


def _touch(before: str, after: str) -> bool:
    """Whether two factors would be read as one: λ_W and λ_H, log and K, a and p_k."""
    if not before or not after or before[-1].isspace() or after[0].isspace():
        return False
    opens = after[0] in "√Σ" or (after[0] == "‖" and before.count("‖") % 2 == 0)
    if not (re.match(r"\w", after) or opens):
        return False
    if re.match(rf"{'|'.join(WORDS)}", after) and re.search(r"[\w*)]$", before):
        return True
    scripted = re.search(r"[_^]\w+$|[_^]\([^()]*\)$|[ᵀ*₊)]$|/\w+$", before)
    own = re.match(rf"{LETTER}[\u0302]?[_^ᵀ]", after) and re.search(
        rf"(?<![\w])(?!d$)\w+$|{LETTER}{{2}}$", before
    )
    return bool(scripted) or _ends_in_word(before) or bool(own and not before[-1].isdigit())


def _ends_in_word(text: str) -> bool:
    return re.split(r"[^a-zA-Z]", text)[-1] in WORDS


def _piece(tokens: list[str]) -> str:
    """One atom with its scripts."""
    token = tokens.pop(0)
    body = token
    if token == "{":
        body = _sequence(_group(tokens))
    elif token == "&":
        body = ", "
    elif token.startswith("\\"):
        body = _command(token[1:], tokens)
    if body in SPACED or body == "not ∝":
        return f" {body} "
    while tokens and tokens[0] in ("_", "^"):
        body += _script(tokens.pop(0), _argument(tokens))
    return body


def _command(name: str, tokens: list[str]) -> str:
    if name in ("frac", "tfrac"):
        return _fraction(_argument(tokens), _argument(tokens), tokens)
    if name == "sqrt":
        under = _argument(tokens)
        return f"√{under}" if re.fullmatch(r"\w", under) else f"√({under})"
    if name in NAMES:
        text = "".join(_group(tokens)) if _next_is(tokens, "{") else _argument(tokens)
        return MEAN if name == "mathbb" and text == "E" else text
    if name in ACCENTS:
        return _argument(tokens) + ACCENTS[name]
    if name in ("begin", "end"):
        _next_is(tokens, "{")
        return "()"[name == "end"] * bool(_group(tokens))
    if name == "not":
        return NEGATED.get(_piece(tokens).strip(), r"\not")
    return "" if name in NOTHING else SYMBOLS.get(name, f"\\{name}")


def _next_is(tokens: list[str], wanted: str) -> bool:
    """Takes spaces, and the wanted token, if it comes next."""
    while tokens and tokens[0] == " ":
        tokens.pop(0)
    return bool(tokens) and tokens[0] == wanted and bool(tokens.pop(0))


def _group(tokens: list[str]) -> list[str]:
    """The tokens up to the brace that closes, taken away with it."""
    depth, inside = 1, []
    while tokens:
        token = tokens.pop(0)
        depth += (token == "{") - (token == "}")
        if depth == 0:
            break
        inside.append(token)
    return inside


def _argument(tokens: list[str]) -> str:
    """The next group or token."""
    if _next_is(tokens, "{"):
        return _sequence(_group(tokens)).strip()
    token = tokens.pop(0)
    return _command(token[1:], tokens) if token.startswith("\\") else token


def _script(mark: str, text: str) -> str:
    simple = len(text) == 1 or (mark == "_" and text.isalnum())
    return SCRIPTS.get(mark + text, f"{mark}{text}" if simple else f"{mark}({text})")


def _fraction(above: str, below: str, tokens: list[str]) -> str:
    """a/b with the brackets that a stroke on one line asks for; around all of it where a factor follows."""
    above = f"({above})" if re.search(r"[-+=<>≤≥]", _outside(above)) else above
    below = below if ATOM.fullmatch(below) else f"({below})"
    following = [token for token in tokens if token not in (" ", r"\,", r"\!")]
    return f"({above}/{below})" if following and _is_factor(following) else f"{above}/{below}"


def _is_factor(tokens: list[str]) -> bool:
    """What follows is multiplied: a letter, a bracket that opens."""
    token, name = tokens[0], tokens[0][1:]
    if token == r"\|":
        return tokens.count(r"\|") % 2 == 0
    if token.startswith("\\"):
        letter = len(SYMBOLS.get(name, "")) == 1 and SYMBOLS[name].isalpha()
        return letter or name in (
            "sqrt",
            "mathrm",
            "mathbb",
            "mathbf",
            "hat",
            "frac",
            "tfrac",
            "textstyle",
            *WORDS,
        )
    return token in ("(", "[", "{") or token.isalnum()


def _outside(text: str) -> str:
    """What is not within brackets."""
    while (less := re.sub(r"\([^()]*\)|\[[^\[\]]*\]", "", text)) != text:
        text = less
    return text
