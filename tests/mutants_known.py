"""Which tests are to catch a fault, by the beginning of the file's path; and survivors that change nothing."""

T, C, A, N = "tests/theory/test_", "tests/certify/test_", "tests/agree/test_", "tests/network/test_"
KILLERS = {
    "ufm/theory/": [f"{T}theory.py"],
    "ufm/theory/multiplier": [f"{T}sharpness.py", f"{T}slopes.py"],
    "ufm/theory/sharpness": [f"{T}sharpness.py"],
    "ufm/theory/slopes": [f"{T}slopes.py"],
    "ufm/theory/response": [f"{T}slopes.py"],
    "ufm/theory/thresholds": ["tests/optimize/test_joint.py"],
    "ufm/theory/polygon": ["tests/optimize/test_joint.py"],
    "ufm/theory/theorems/": [f"{A}checks.py"],
    "ufm/certify/": [f"{C}certificate.py"],
    "ufm/certify/dual": [f"{C}duality.py"],
    "ufm/certify/joint": [f"{C}duality.py"],
    "ufm/certify/values": [f"{C}fitted.py"],
    "ufm/agree/": [f"{A}verdict.py", f"{A}agreement.py"],
    "ufm/agree/joint": ["tests/optimize/test_joint.py"],
    "ufm/agree/geometry": ["tests/optimize/test_joint.py"],
    "ufm/agree/flatness": [f"{A}checks.py"],
    "ufm/agree/theorem": [f"{A}checks.py"],
    "ufm/agree/sweep/": ["tests/commands/test_sweep.py"],
    "ufm/agree/finite_data": ["tests/commands/test_large.py"],
    "ufm/network/": [f"{N}compare.py"],
    "ufm/network/read/": [f"{N}activations.py"],
    "ufm/network/collapse/": [f"{N}metrics.py"],
    "ufm/network/measures/": [f"{N}channels.py"],
    "ufm/network/measures/calibration": [f"{N}calibration.py"],
    "ufm/network/measures/fitting": [f"{N}fitting.py"],
    "ufm/network/measures/excess": [f"{N}fitting.py"],
    "ufm/network/measures/gap": [f"{N}stream_duality.py"],
    "ufm/network/measures/mixed": [f"{N}channels.py", f"{N}compare.py"],
}
EQUIVALENT: dict[str, str] = {}
