"""CIFAR's Python batches read without unpickling: nothing is looked up, called or imported.

A pickle is a program for a machine with a stack and a memo. The published batches (dictionaries of lists,
integers, byte strings and one array, written by Python 2 with numpy) need few of its instructions, and
`run` knows only those. A name of a function stays a name, a call stays a record of its arguments, and the array
is made here from the record, for unsigned bytes only. This is stricter than `pickle.Unpickler` with an allowed
list of numpy's functions: those were not written to distrust what they are given (object arrays, sizes and
flags of a dtype), and a pickle may set attributes of whatever it was given. Time and memory stay linear in the
length of the file. Sources: PEP 307, PEP 3154, the standard library's pickletools.
"""

import pickletools
from dataclasses import dataclass

import numpy as np

from ufm.rules.errors import InputError

ARRAY = ("numpy.core.multiarray._reconstruct", "numpy._core.multiarray._reconstruct")  # numpy 1 and 2
# Python 3 writes bytes as a call of _codecs.encode in protocols below 3
NAMES = (*ARRAY, "numpy.ndarray", "numpy.dtype", "_codecs.encode")
SHORT = 100  # characters of a key

CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False, "EMPTY_TUPLE": ()}
NUMBERS = ("BININT", "BININT1", "BININT2", "LONG1")
STRINGS = ("BINUNICODE", "SHORT_BINUNICODE", "BINBYTES", "SHORT_BINBYTES")
OLD_STRINGS = ("BINSTRING", "SHORT_BINSTRING")  # bytes, which pickletools decodes as Latin-1
TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
PUT, GET = ("BINPUT", "LONG_BINPUT"), ("BINGET", "LONG_BINGET")


@dataclass(frozen=True)
class Name:
    """The dotted name of something that a pickle asks for."""

    dotted: str


@dataclass(eq=False)
class Call:
    """A call that is not made, and the state that its result would be given."""

    function: object
    arguments: object
    state: object = None


class Machine:
    """Stack, marks and memo of one pickle."""

    def __init__(self):
        self.stack, self.marks, self.memo = [], [], {}

    def pop(self, count: int) -> list:
        """The last `count` values, taken off the stack."""
        if count > len(self.stack):
            raise InputError("its stack runs empty")
        start = len(self.stack) - count
        values = self.stack[start:]
        del self.stack[start:]
        return values

    def pop_marked(self) -> list:
        """Everything above the last mark."""
        return self.pop(max(len(self.stack) - self.marks.pop(), 0))

    def top(self, kind: type):
        """The last value, left where it is."""
        if not self.stack or not isinstance(self.stack[-1], kind):
            raise InputError(f"it fills something that is no {kind.__name__}")
        return self.stack[-1]


def run(data: bytes) -> object:
    """What a pickle builds, with records in place of calls; InputError for all that is not known here."""
    machine = Machine()
    try:
        steps = list(pickletools.genops(data))
    except ValueError as error:
        raise InputError(str(error)) from None
    try:
        for opcode, argument, _ in steps:
            step(machine, opcode.name, argument)
    except (IndexError, KeyError):
        raise InputError("it uses a mark or a memo that it never set") from None
    return machine.pop(1)[0]


def step(machine: Machine, name: str, argument: object) -> None:
    """One instruction."""
    match name:
        case "PROTO" | "FRAME" | "STOP":
            pass
        case "MARK":
            machine.marks.append(len(machine.stack))
        case "APPEND":
            values = machine.pop(1)
            machine.top(list).extend(values)
        case "APPENDS":
            values = machine.pop_marked()
            machine.top(list).extend(values)
        case "SETITEM":
            pairs = machine.pop(2)
            machine.top(dict).update(_items(pairs))
        case "SETITEMS":
            pairs = machine.pop_marked()
            machine.top(dict).update(_items(pairs))
        case "BUILD":
            (state,) = machine.pop(1)
            machine.top(Call).state = state
        case "MEMOIZE":
            machine.memo[len(machine.memo)] = machine.top(object)
        case name if name in PUT:
            machine.memo[argument] = machine.top(object)
        case _:
            machine.stack.append(_value(machine, name, argument))


def _value(machine: Machine, name: str, argument: object) -> object:
    """What an instruction that leaves one value on the stack leaves there."""
    match name:
        case name if name in NUMBERS or name in STRINGS:
            return argument
        case "EMPTY_LIST":
            return []
        case "EMPTY_DICT":
            return {}
        case "TUPLE":
            return tuple(machine.pop_marked())
        case "GLOBAL":
            return _name(argument.replace(" ", "."))
        case "STACK_GLOBAL":
            return _name(".".join(map(_text, machine.pop(2))))
        case "REDUCE":
            return Call(*machine.pop(2))
        case name if name in CONSTANTS:
            return CONSTANTS[name]
        case name if name in TUPLES:
            return tuple(machine.pop(TUPLES[name]))
        case name if name in GET:
            return machine.memo[argument]
        case name if name in OLD_STRINGS:
            return argument.encode("latin-1")
    raise InputError(f"it uses the instruction {name}")


def _name(dotted: str) -> Name:
    if dotted not in NAMES:
        raise InputError(f"it asks for {dotted[:SHORT]}, which is refused and was not called")
    return Name(dotted)


def _items(flat: list) -> dict[str, object]:
    """Keys and values in turn, keys as text."""
    if len(flat) % 2:
        raise InputError("a key has no value")
    return dict(zip(map(_text, flat[::2]), flat[1::2]))


def _text(value: object) -> str:
    """A short string, however it was written."""
    match value:
        case Call(Name("_codecs.encode"), (str(text), _)):
            pass
        case bytes():
            text = value[: SHORT + 1].decode("latin-1")
        case str():
            text = value
        case _:
            raise InputError("a key is no string")
    if len(text) > SHORT:
        raise InputError("a key is too long")
    return text


def unsigned_bytes(value: object) -> np.ndarray:
    """The matrix of numpy's record of it; InputError for every dtype but unsigned bytes, object arrays included."""
    match value:
        case Call(
            Name(made), _, (1, (int(rows), int(columns)), Call(Name(type_), (kind, *_)), bool(fortran), raw)
        ) if made in ARRAY and type_ == "numpy.dtype":
            pass
        case _:
            raise InputError("its data are no matrix as numpy pickles it")
    if _text(kind) != "u1":
        raise InputError(f"its array holds {_text(kind)}, allowed are unsigned bytes (u1)")
    data = _raw(raw)
    if min(rows, columns) < 1 or rows * columns != len(data):
        raise InputError(f"its array of {rows} x {columns} has {len(data)} bytes")
    return np.frombuffer(data, np.uint8).reshape((rows, columns), order="F" if fortran else "C")


def _raw(value: object) -> bytes:
    """The bytes of an array, written as such or as the call `_codecs.encode(text, "latin1")`."""
    match value:
        case bytes():
            return value
        case Call(Name("_codecs.encode"), (str(text), "latin1")):
            return text.encode("latin-1")
    raise InputError("its array has no bytes")
