"""The page in a browser: sliders, keys, links, files, blind descent, exports; and that it fetches nothing."""

import base64
import io
import json
import re
import shlex
from xml.etree import ElementTree

import numpy as np
import pytest

import ufm
from tests.explore.pages import opened, rested, to_state, until
from ufm.commands.frame import parse
from ufm.commands.inputs import read_choice, read_law, read_problem
from ufm.commands.solve import Arguments
from ufm.explore.bundle import PAGE, script
from ufm.explore.document import Explorer, explorer_page
from ufm.explore.theorems import formulas
from ufm.rules.errors import InputError

LIMIT = 400_000  # bytes
WIDTHS = (360, 390, 1280, 3840)
FIRST = {"K": 10, "law": "mixup", "alpha": 1, "smoothing": 0, "loss": "cross-entropy", "classifier": "best"}
FIRST |= {"lw": 5e-4, "lh": 5e-4, "lam": 0.3, "d": None}


@pytest.fixture(scope="module")
def there(tmp_path_factory):
    with opened(tmp_path_factory.mktemp("explore")) as found:
        yield found


@pytest.fixture
def page(there):
    """The page as at first, at the width of a desk."""
    browser, _ = there
    browser.size(1280, 900)
    to_state(browser, **FIRST)
    return browser


def caption(page, figure: str = "channel") -> str:
    return page.run(f"document.getElementById('{figure}').querySelector('figcaption').innerText")


# --- one file, that asks for nothing ------------------------------------------------------------------


def test_the_page_is_small_and_has_no_address():
    text = explorer_page()
    assert len(text.encode("utf-8")) < LIMIT
    spaces = {
        "http://www.w3.org/2000/svg",
        "http://www.w3.org/1998/Math/MathML",
    }  # names, which nothing opens
    assert set(re.findall(r"\w+://[^\"'\s)<\\]+", text)) == spaces
    assert "src=" not in text.replace("image.src =", "") and "@import" not in text


def test_every_formula_of_the_catalogue_is_in_the_page():
    known = json.loads((PAGE / "formulas.json").read_text(encoding="utf-8"))
    assert set(known) == set(formulas()), "run python -m docs.builder.formulas"
    assert explorer_page().count("<math") + explorer_page().count("\\u003cmath") >= len(known) // 2


IMAGE = """new Promise((done) => {
  const image = new Image();
  image.onerror = () => done('refused');
  image.src = 'https://example.invalid/a.png';
})"""


def test_it_asks_for_nothing_says_nothing_and_could_not_do_otherwise(page):
    assert page.requests() == [] and page.complaints() == []
    refused = page.run("fetch('https://example.invalid/').then(() => 'sent', (error) => error.message)")
    assert refused == "Failed to fetch"
    assert page.run(IMAGE) == "refused"
    said = page.complaints()  # and what is refused is seen
    assert any("Content Security Policy" in line for line in said)
    page.events.clear()


def test_modules_that_cannot_be_joined_are_told(tmp_path, monkeypatch):
    monkeypatch.setattr("ufm.explore.bundle.PAGE", tmp_path)
    (tmp_path / "a.js").write_text("import { b } from './b.js';\nexport const a = b + 1;\n")
    (tmp_path / "b.js").write_text("export const b = 1;\n")
    assert script(tmp_path / "a.js").index("$b =") < script(tmp_path / "a.js").index("$a =")
    (tmp_path / "b.js").write_text("import { a } from './a.js';\nexport const b = a;\n")
    with pytest.raises(InputError, match="imports itself"):
        script(tmp_path / "a.js")
    (tmp_path / "b.js").write_text("export default 1;\n")
    with pytest.raises(InputError, match="none of the forms"):
        script(tmp_path / "a.js")


# --- controls, keys, links ----------------------------------------------------------------------------


def test_tab_and_arrows_move_lambda_and_the_pictures_follow(page):
    before, text = page.run("document.querySelector('#coefficients svg').outerHTML"), caption(page)
    page.run("document.querySelector('input[name=law][value=mixup]').focus(); 0")
    for _ in range(3):  # K, its field, then λ
        page.key("Tab")
    assert page.run("document.activeElement.dataset.name + document.activeElement.type") == "lamrange"
    for _ in range(20):
        page.key("ArrowRight")
    assert rested(page)["lam"] == pytest.approx(0.32)
    assert page.run("document.activeElement.ariaValueText") == "0.32"
    assert page.run("document.querySelector('input[data-name=lam][type=number]').value") == "0.32"
    assert "λ = 0.32" in caption(page, "coefficients") and caption(page) == text
    page.run("document.querySelector('input[name=loss][value=\"squared-error\"]').click()")
    assert rested(page)["loss"] == "squared-error" and "straight lines" in caption(page)
    assert page.run("document.querySelector('#coefficients svg').outerHTML") != before
    page.run("new Promise((done) => setTimeout(done, 500))")
    assert "sharpness" in page.run("document.getElementById('spoken').textContent")


TYPED = """(() => {
  const field = document.querySelector('PLACE');
  field.value = 'TEXT';
  field.dispatchEvent(new Event('change', { bubbles: true }));
})()"""


def type_in(page, place: str, text: str) -> dict:
    """The state after a text is typed into a field, and left."""
    page.run(TYPED.replace("PLACE", place).replace("TEXT", text))
    return rested(page)


def test_a_number_that_is_typed_is_taken_and_kept_in_range(page):
    for name, text, value in (("K", "1000", 1000), ("K", "1", 2), ("lw", "2e-3", 2e-3), ("alpha", "", 1)):
        assert type_in(page, f"input[data-name={name}][type=number]", text)[name] == value
    to_state(page, law="own")
    assert type_in(page, "#own", "3, 1")["own"] == [0.75, 0.25]
    assert type_in(page, "#own", "3, -1")["own"] == [0.75, 0.25]
    assert page.run("document.getElementById('own').getAttribute('aria-invalid')") == "true"


LINKED = [
    dict(law="own", own=[0.5, 0.25, 0.25], loss="squared-error", classifier="given", m=2.5, d=12),
    dict(K=100, law="cutmix", alpha=0.3, lw=1e-3, lh=2e-4, lam=0.125),
    dict(K=4, yaw=-60, pitch=35, law="kway", smoothing=0.05),
]


@pytest.mark.parametrize("state", LINKED, ids=lambda state: state["law"])
def test_a_link_shows_the_same_view(there, state):
    browser, address = there
    to_state(browser, **FIRST)
    to_state(browser, **state)
    link = browser.run("ufm.toHash(ufm.state)")
    shown = browser.run("document.querySelector('#channel svg').outerHTML")
    browser.open(address + link)
    assert browser.run("ufm.state").items() >= state.items()
    assert browser.run("document.querySelector('#channel svg').outerHTML") == shown
    browser.run("ufm.change({ lam: 0.5 })")
    until(browser, "location.hash.includes('lam=0.5')")
    assert "lam=0.5" in browser.run("location.hash")
    browser.open(address)


def test_a_link_without_sense_is_kept_in_range(there):
    browser, address = there
    nonsense = "#K=abc&law=none&lam=7&alpha=-1&own=x&d=2"
    browser.open(address + nonsense)
    found = browser.run("ufm.state")
    assert (found["K"], found["law"], found["lam"], found["alpha"], found["d"]) == (10, "mixup", 1, 0.01, 9)
    browser.open(address)


def test_what_is_shown_on_request_moves_and_stops_at_a_touch(page):
    """Each question shows itself, until a hand takes over; who wants no motion has the end at once."""
    for n, name in enumerate(("lam", "lw", "lw")):
        to_state(page, **FIRST)
        page.run(f"document.querySelectorAll('#questions details')[{n}].open = true; 0")
        page.run(f"document.querySelectorAll('#questions button')[{n}].click()")
        until(page, f"ufm.state.{name} !== {FIRST[name]}")
        first = page.run("ufm.state")[name]
        until(page, f"ufm.state.{name} !== {first}")
        assert page.run("ufm.state")[name] not in (first, FIRST[name])
        page.key("Shift", 16)
        still = rested(page)
        page.run("new Promise((done) => setTimeout(done, 200))")
        assert page.run("ufm.state") == still
        words = page.run(f"document.querySelectorAll('#questions p')[{n}].innerText")
        assert len(words) > 200 and "undefined" not in words and "NaN" not in words
    reduced = [{"name": "prefers-reduced-motion", "value": "reduce"}]
    page.call("Emulation.setEmulatedMedia", features=reduced)
    page.run("document.querySelectorAll('#questions button')[2].click()")
    assert rested(page)["lw"] == pytest.approx(0.3) and "every feature is zero" in caption(page)


def box(page, figure: str) -> list[float]:
    """Left, top, width and height of a picture in the window."""
    found = page.run(f"document.querySelector('#{figure} svg').getBoundingClientRect().toJSON()")
    return [found[name] for name in ("left", "top", "width", "height")]


def test_pictures_are_dragged(page):
    left, top, width, height = box(page, "coefficients")
    page.drag((left + 0.5 * width, top + 0.4 * height), (left + 0.8 * width, top + 0.4 * height))
    assert rested(page)["lam"] == pytest.approx((0.8 * 480 - 70) / (480 - 70 - 16), abs=2e-3)
    to_state(page, K=4, yaw=0, pitch=0)
    left, top, width, height = box(page, "channel")
    before = page.run("document.querySelector('#channel svg').outerHTML")
    page.drag((left + 0.5 * width, top + 0.5 * height), (left + 0.5 * width + 40, top + 0.5 * height))
    assert rested(page)["yaw"] == 20
    assert page.run("document.querySelector('#channel svg').outerHTML") != before
    page.run("document.querySelector('#channel .picture').focus(); 0")
    page.key("ArrowRight")
    assert rested(page)["yaw"] == 25


# --- what it says is what the package says ------------------------------------------------------------

COMMANDS = [
    dict(),
    dict(K=4, law="cutmix", alpha=0.4, lam=0.7, lw=1e-3),
    dict(K=3, loss="squared-error", lam=0.2),
    dict(K=100, classifier="given", m=2.0, lh=1e-3, lam=0.05),
]


@pytest.mark.parametrize("part", COMMANDS, ids=json.dumps)
def test_the_command_is_of_the_problem_that_is_shown(page, part):
    to_state(page, **part)
    words = shlex.split(page.run("ufm.command()"))
    assert words[:3] == ["python", "-m", "ufm.solve"]
    args = parse(Arguments, words[3:], "ufm.solve")
    law, state = read_law(args), page.run("ufm.state")
    problem = read_problem(args, law)
    m = args.multiplier
    if m is None:
        m = ufm.joint_multiplier(law, args.classes, args.lambda_w, args.lambda_h, args.loss).value
    (lam,) = read_choice(args, law)["lam"]
    problem = ufm.Problem(args.classes, m, args.lambda_h, args.lambda_w, args.dim, args.loss, law)
    right = ufm.predict_pairs(problem, 0, 1, lam)
    coef = right.coef[0] - (right.coef[0, 2] if args.classes > 2 else 0)
    found = page.run("ufm.view.coef.slice(0, 2)")
    assert lam == state["lam"] and found == pytest.approx(coef[:2], rel=1e-9)
    assert page.run("ufm.view.m") == pytest.approx(m, rel=1e-9)
    assert page.run("document.getElementById('command').textContent") == page.run("ufm.command()")


OTHERS = [
    (dict(law="kway", ways=3, smoothing=0.1, lam=0.4), "kway"),
    (dict(law="onehot", smoothing=0.1, lam=1), "smoothing"),
    (dict(law="onehot", K=3, d=2, lam=0.5), "onehot"),
    (dict(law="mixup", smoothing=0.05, K=30, alpha=0.3), "mixup"),
    (dict(law="own", own=[0.5, 0.3, 0.2], smoothing=0.1, K=5, lam=0.25), None),
]


@pytest.mark.parametrize("part, name", OTHERS, ids=lambda value: value if isinstance(value, str) else "")
def test_labels_that_no_command_of_a_law_has_are_proved_by_themselves(page, part, name):
    to_state(page, **part)
    *of_law, save, solve = map(shlex.split, page.run("ufm.command()").split("\n"))
    assert len(of_law) == (name is not None)
    for words in of_law:
        law = read_law(parse(Arguments, words[3:], "ufm.solve"))
        assert (law.name, law.smoothing) == (name, part.get("smoothing", 0))
    (rows,) = re.findall(r"'label.npy', (.*)\)", save[2])
    label = np.array(eval(rows, {}))  # lists of numbers, as Python has them
    assert label.shape == (1, page.run("ufm.state.K")) and label.sum() == pytest.approx(1, abs=1e-12)
    args = parse(Arguments, solve[3:], "ufm.solve")
    problem = ufm.Problem(args.classes, args.multiplier, args.lambda_h, args.lambda_w, args.dim, args.loss)
    right = ufm.predict_features(problem, label)
    z = right.coef[0] * problem.gain
    found = page.run("ufm.view.at.z.flatMap((v, k) => Array(ufm.view.label.counts[k]).fill(v))")
    assert found == pytest.approx(z, rel=1e-9, abs=1e-9 * np.abs(z).max()) and args.labels == "label.npy"


ENDS = """(() => {
  const [limit, optimum] = ufm.drawn.get('displacement').items;
  return [limit.points[3][1], optimum.points[3][1], ufm.view.at.z[0] - ufm.view.at.z[1], ufm.view.g, ufm.view.a];
})()"""


def test_the_limit_of_small_penalties_is_that_of_the_loss(page):
    """Dashed in the picture: logits of the label; under squared error a/(1 + a) of it is the optimum."""
    to_state(page, loss="squared-error", lw=0.05, lh=0.05, lam=0.25)
    limit, optimum, gap, g, a = page.run(ENDS)
    assert optimum == pytest.approx(a / (1 + a) * limit, rel=1e-12) and a < 5
    assert f"−{0.5 / np.sqrt(2 * g):.4g}. The limit is y₁ − y₂" in caption(page, "displacement")
    assert gap == pytest.approx(-0.5 * a / (1 + a), rel=1e-12)
    to_state(page, loss="cross-entropy")
    assert f"−{np.log(3) / np.sqrt(2 * page.run('ufm.view.g')):.4g}. The limit is log" in caption(
        page, "displacement"
    )


def test_the_threshold_is_where_all_features_are_zero(page):
    to_state(page, lw=0.3, lh=0.3)
    assert "W = 0" in caption(page) and "every feature is zero" in caption(page)
    assert page.run("ufm.view.coef.every((v) => v === 0)")
    page.run("document.querySelectorAll('#questions details')[1].open = true; 0")
    rested(page, "0")
    assert "there is no channel" in page.run("document.querySelectorAll('#questions p')[1].innerText")
    to_state(page, lw=0.2, lh=0.3)
    assert "W = 0" not in caption(page)
    assert "simplex ETF" in caption(page, "phase")


STRUCK = """(() => {
  const svg = document.querySelector('#phase svg');
  const lines = [...svg.querySelectorAll('g[clip-path] path[fill="none"]')].map((line) => {
    const long = line.getTotalLength();
    return Array.from({ length: 800 }, (_, n) => line.getPointAtLength((long * n) / 799));
  });
  return [...svg.querySelectorAll('text[stroke]')].filter((words) => {
    const { x, y, width, height } = words.getBBox();
    const inside = (p) => p.x > x && p.x < x + width && p.y > y + 3 && p.y < y + height - 3;
    return lines.some((points) => points.some(inside));
  }).map((words) => words.textContent);
})()"""
MOVED = """(() => {
  const svg = document.querySelector('#phase svg'), before = svg.innerHTML;
  const on = svg.querySelector('g[clip-path] path[fill="none"]').getPointAtLength(200).y + 4;
  svg.querySelectorAll('text[stroke]').forEach((words) => words.setAttribute('y', on));
  const found = %s;
  svg.innerHTML = before;
  return found;
})()"""
# drawn where it is seen; curves of equal sharpness come when the hand rests
SCROLL = "document.getElementById('phase').scrollIntoView()"
SEEN = "document.querySelector('#phase svg').textContent.includes('a = 1000')"


@pytest.mark.parametrize("part", [{}, {"K": 100, "alpha": 0.02}, {"lw": 0.2, "lh": 0.3}])
def test_no_word_of_the_phases_is_struck_through(page, part):
    rested(page, SCROLL)
    rested(page, SCROLL)  # it is painted anew now, and from here on at once
    to_state(page, **part)
    until(page, SEEN)
    words = page.run("document.querySelector('#phase svg').textContent")
    assert "a = 1000" in words and "you are here" in words
    assert page.run(STRUCK) == []
    assert "threshold σ²" in page.run(MOVED % STRUCK)  # control: words on a line are seen


# --- blind descent ------------------------------------------------------------------------------------

RUN = """(async () => {
  document.getElementById('method').value = '%s';
  document.getElementById('method').dispatchEvent(new Event('change'));
  document.getElementById('descend').click();
  while (!ufm.descent || !ufm.descent.done) await new Promise((done) => setTimeout(done, 20));
  await new Promise((done) => setTimeout(done, 50));
  return ufm.descent.sides.map(({ distance, bound, agrees }) => ({ distance, bound, agrees }));
})()"""


@pytest.mark.parametrize("method, part", [("newton", {"K": 30}), ("gradient", {"lw": 0.02, "lh": 0.02})])
def test_blind_descent_ends_on_the_curve(page, method, part):
    to_state(page, **part)
    ends_on_the_curve(page, method)


def ends_on_the_curve(page, method):
    for side in page.run(RUN % method):
        assert side["agrees"] and side["distance"] <= side["bound"] <= 1e-10
    assert "agrees" in page.run("document.getElementById('descent-says').textContent")
    ways = page.run("ufm.descent.sides.map(({ distances, bounds }) => [distances, bounds])")
    # a closed form that is off by more than the bound is told
    spoilt = "ufm.descent.sides[0].optima[3].z[0] += 1e-8; ufm.descent.record(); ufm.descent.sides[0].agrees"
    assert page.run(spoilt) is False
    return ways


def test_a_distance_is_never_above_its_bound_on_the_way(page):
    to_state(page, K=10)
    for distances, bounds in ends_on_the_curve(page, "newton"):
        apart, most = np.array(distances)[:, 1], np.array(bounds)[:, 1]
        assert len(apart) > 1 and (apart <= most).all() and most[-1] < 1e-10


# --- a network ----------------------------------------------------------------------------------------

TAKE = """(async (data, name) => {
  const bytes = Uint8Array.from(atob(data), (sign) => sign.charCodeAt(0));
  const transfer = new DataTransfer();
  transfer.items.add(new File([bytes], name));
  document.dispatchEvent(new DragEvent('drop', { dataTransfer: transfer, bubbles: true, cancelable: true }));
  const says = document.getElementById('network-says');
  for (let n = 0; n < 500 && !says.textContent.includes(name); n++) {
    await new Promise((done) => setTimeout(done, 10));
  }
  await new Promise((done) => requestAnimationFrame(() => setTimeout(done, 0)));
  return ufm.network;
})(%s, %s)"""


def dropped(page, data: bytes, name: str):
    page.run("document.getElementById('forget').click()")
    return page.run(TAKE % (json.dumps(base64.b64encode(data).decode()), json.dumps(name)))


def arrays(noise: float = 0.0, dtype=float, **more) -> dict:
    """Optimal features of K = 3, rotated, with noise, as `ufm.compare` reads them."""
    rng = np.random.default_rng(0)
    problem = ufm.Problem(3, 1.5, lambda_h=2e-3, dim=5)
    i, j, lam = rng.integers(0, 3, 200), rng.integers(0, 3, 200), rng.uniform(size=200)
    H = ufm.predict_pairs(problem, i, j, lam).H + noise * rng.normal(size=(200, 5))
    turn = np.linalg.qr(rng.normal(size=(5, 5)))[0]
    found = {"H": H @ turn, "W": problem.W @ turn + 0.7, "b": np.full(3, 0.25), "i": i, "j": j, "lam": lam}
    return {
        key: value.astype(dtype) if value.dtype == float else value for key, value in found.items()
    } | more


def written(how=np.savez, **parts) -> bytes:
    file = io.BytesIO()
    how(file, **parts)
    return file.getvalue()


def explained(parts: dict, a: float) -> tuple[float, float]:
    """R² of the closed form and of the baseline, by the definitions."""
    W, K = parts["W"], 3
    z = parts["H"] @ (W - W.mean(0)).T
    Y = parts["lam"][:, None] * np.eye(K)[parts["i"]] + (1 - parts["lam"])[:, None] * np.eye(K)[parts["j"]]
    total = np.sum((z - z.mean(0)) ** 2)
    s = np.sum(z * (Y - 1 / K)) / np.sum((Y - 1 / K) ** 2)
    closed = np.asarray(ufm.closed_form_logits(Y, a).z)
    return 1 - np.sum((z - closed) ** 2) / total, 1 - np.sum((z - s * (Y - 1 / K)) ** 2) / total


@pytest.mark.parametrize("how", [np.savez, np.savez_compressed])
def test_a_network_lies_over_the_curve(page, how):
    parts = arrays(noise=0.02)
    found = dropped(page, written(how, **parts), "net.npz")
    a = 1.5**2 * 3 / 2 / 2e-3
    r2, linear = explained(parts, found["a"])
    assert found["a"] == pytest.approx(a, rel=0.05) and not found["known"]
    assert (found["r2"], found["linear"]) == pytest.approx((r2, linear), rel=1e-9)
    assert explained(parts, 1.02 * found["a"])[0] < r2 > explained(parts, found["a"] / 1.02)[0]
    state = rested(page)
    assert (state["K"], state["classifier"]) == (3, "given") and state["m"] == pytest.approx(1.5)
    # the points lie where the picture has the optimum of their labels
    lines = "ufm.drawn.get('channel').items.filter((item) => item.kind === 'line' && item.wide >= 1.6)"
    curve = np.array(page.run(f"{lines}.flatMap((item) => item.points)"))
    points = np.array([point["at"] for point in found["points"]["plane"]])
    apart = np.linalg.norm(points[:, None] - curve, axis=2).min(1)
    assert len(points) == 200 and np.median(apart) < 0.05 and np.ptp(points) > 3
    assert "reproduced" in page.run("document.getElementById('network-says').innerText")


def test_lambda_h_is_taken_where_a_file_has_it(page):
    found = dropped(page, written(**arrays(dtype=np.float32, lambda_h=2e-3)), "known.npz")
    assert found["known"] and found["r2"] > 1 - 1e-6
    wrong = arrays()
    wrong["i"] = (wrong["i"] + 1) % 3
    found = dropped(page, written(**wrong), "shuffled.npz")
    assert found["r2"] < 0.8 and found["verdicts"][0]["word"] == "not reproduced"


def test_a_record_of_compare_is_shown(page):
    parts = arrays(noise=0.02, lambda_h=2e-3)
    record = ufm.compare_network(**parts, replicates=8).to_dict()
    found = dropped(page, json.dumps(record).encode(), "record.json")
    assert (
        found["r2"] == record["fit"]["r2_known"] == pytest.approx(explained(parts, found["a"])[0], rel=1e-9)
    )
    words = {one["name"]: one["word"] for one in found["verdicts"]}
    assert words == {one["name"]: one["verdict"] for one in record["verdicts"]}
    shown = page.run("document.getElementById('network-says').innerText")
    assert record["headline"] in shown and all(name in shown for name in words)
    figure = page.run(
        "ufm.drawn.get('displacement').items.map(({ colour, points }) => [colour, points?.length])"
    )
    assert ["pink", sum(v is not None for v in record["channel"]["lam"])] in figure
    # what the page finds of the file itself is the same
    own = dropped(page, written(**parts), "same.npz")
    assert (own["r2"], own["etf"], own["a"]) == pytest.approx(
        (found["r2"], record["data"]["etf_deviation"], found["a"]), rel=1e-9, abs=1e-12
    )
    assert dropped(page, b'{"schema": 1}', "other.json") is None
    assert "no record" in page.run("document.getElementById('network-says').textContent")


@pytest.mark.parametrize(
    "data, words",
    [
        (b"nothing", "no .npz file"),
        ({"H": np.ones((3, 2))}, "needs H (N x d"),
        ({"H": np.ones((3, 2)), "W": np.ones((3, 3))}, "need the same d"),
        ({"H": np.ones((3, 2)), "W": np.eye(2)}, "needs labels"),
        ({"H": np.array([object()]), "W": np.eye(2)}, "objects, which are not read"),
    ],
)
def test_a_file_that_cannot_be_read_is_told(page, data, words):
    data = data if isinstance(data, bytes) else written(**data)
    assert dropped(page, data, "bad.npz") is None
    assert words in page.run("document.getElementById('network-says').textContent")


# --- figures as files, access ------------------------------------------------------------------------

EXPORTED = """(async (id, kind) => {
  const found = await ufm.exported(id, kind);
  if (kind !== 'png') return found;
  const bytes = new Uint8Array(await found.arrayBuffer());
  return [[...bytes.slice(0, 8)], [...bytes.slice(16, 24)]];
})"""


def test_figures_are_saved_as_svg_png_and_latex(page):
    for figure in page.run("[...ufm.drawn.keys()]"):
        root = ElementTree.fromstring(page.run(f"{EXPORTED}('{figure}', 'svg')"))
        assert root.find("{*}title").text and len(root.find("{*}desc").text) > 20
        tex = page.run(f"{EXPORTED}('{figure}', 'tex')")
        assert tex.count("{") == tex.count("}") and tex.count("\\addplot") >= 1
        assert re.sub(r"^%.*$", "", tex, flags=re.M).isascii(), figure
        assert "python -m ufm.solve" in tex
    magic, size = page.run(f"{EXPORTED}('phase', 'png')")
    assert bytes(magic) == b"\x89PNG\r\n\x1a\n" and int.from_bytes(bytes(size[:4])) == 3 * 480


NAMELESS = """[...document.querySelectorAll('input, select, button')]
  .filter((one) => !(one.labels?.length || one.ariaLabel || one.textContent?.trim()))
  .map((one) => one.outerHTML)"""
WORDLESS = """[...document.querySelectorAll('figure:not([hidden]) svg')].filter((one) => {
  const [title, words] = ['title', 'desc'].map((name) => one.querySelector(name).textContent);
  return one.getAttribute('role') !== 'img' || !title || words.length < 20;
}).length"""


def test_everything_has_a_name_and_pictures_have_words(page):
    assert page.run(NAMELESS) == [] and page.run(WORDLESS) == 0
    page.run(
        "document.querySelector('#phase .numbers').open = true; new Promise((done) => setTimeout(done, 100))"
    )
    assert page.run("document.querySelectorAll('#phase .numbers td').length") > 40
    ids = page.run("[...document.querySelectorAll('[id]')].map((one) => one.id)")
    assert len(ids) == len(set(ids))


CONTRAST = """(() => {
  const linear = (v) => (v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
  const parts = (hex) => [1, 3, 5].map((n) => linear(parseInt(hex.slice(n, n + 2), 16) / 255));
  const light = (hex) => parts(hex).reduce((sum, v, n) => sum + v * [0.2126, 0.7152, 0.0722][n], 0);
  return [false, true].flatMap((dark) => Object.entries(ufm.palette(dark)).map(([name, hex]) => {
    const [one, other] = [light(hex), light(ufm.palette(dark).ground)].sort((a, b) => b - a);
    return [name, (one + 0.05) / (other + 0.05)];
  }));
})()"""


def test_colours_of_words_and_lines_stand_out(page):
    for name, ratio in page.run(CONTRAST):
        assert name in ("ground", "grid") or ratio >= 4.5, name  # words are written in all others


@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_is_wider_than_the_window(page, width):
    for dark in (False, True):
        page.size(width, 900, dark=dark)
        for part in ({}, {"law": "kway", "K": 1000}, {"law": "own", "classifier": "given"}, {"K": 4}):
            to_state(page, **(FIRST | part))
            assert page.run("document.documentElement.scrollWidth") <= width, part


def test_a_narrow_window_has_a_bar_and_a_dark_one_another_ground(page):
    page.size(360, 740)
    assert page.run("getComputedStyle(document.getElementById('bar')).display") == "grid"
    ground = "getComputedStyle(document.body).backgroundColor"
    light = page.run(ground)
    page.size(360, 740, dark=True)
    assert page.run(ground) != light


def test_a_notebook_shows_it_in_a_frame(there, tmp_path):
    browser, address = there
    (tmp_path / "cell.html").write_text(f"<!doctype html><meta charset=utf-8>{Explorer()._repr_html_()}")
    browser.open((tmp_path / "cell.html").as_uri())
    (child,) = browser.call("Page.getFrameTree")["frameTree"]["childFrames"]
    world = browser.call("Page.createIsolatedWorld", frameId=child["frame"]["id"])["executionContextId"]
    look = "document.querySelectorAll('#channel svg path').length"
    found = browser.call("Runtime.evaluate", expression=look, contextId=world, returnByValue=True)
    assert found["result"]["value"] > 5
    assert browser.requests() == []
    browser.open(address)


def test_a_hypothesis_that_the_page_does_not_know_is_no_verdict(there, tmp_path):
    browser, address = there
    text = explorer_page().replace('"latex": "no bias"', '"latex": "news"')
    (tmp_path / "newer.html").write_text(text, encoding="utf-8")
    browser.open((tmp_path / "newer.html").as_uri())
    found = {one["name"]: one["broken"] for one in browser.run("ufm.judged()")}
    assert "cannot be checked" in found["duality"] and found["joint-etf"] is None
    browser.open(address)


def test_nothing_was_said_in_all_of_this(there):
    browser, _ = there
    assert browser.complaints() == [] and browser.requests() == []
