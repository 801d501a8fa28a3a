// The page: one state, one view of it, and panels that draw the view.

import { QUESTIONS, questions } from './questions.js';
import { bar, controls } from './controls.js';
import { FIRST, allowed, command, fromHash, toHash } from './state.js';
import { readNpz } from './npz.js';
import { viewOf } from './view.js';
import { labelOptimum } from '../math/optimum.js';
import { patterns, shownLabel, threshold } from '../math/laws.js';
import { jointSharpness, productOf } from '../math/joint.js';
import { collapseSpectrum, featureSpectrum } from '../math/spectrum.js';
import { bowing, channelFigure } from '../panels/channel.js';
import { calibrationFigure, coefficientFigure, displacementFigure, probabilityFigure } from '../panels/curves.js';
import { phaseAxis, phaseFigure } from '../panels/phase.js';
import { spectrumFigure } from '../panels/spectrum.js';
import { HYPOTHESES, judged, theoremList } from '../panels/theorems.js';
import { KEYS, measured, overlay, recorded } from '../panels/network.js';
import { Descent, METHODS } from '../panels/descent.js';
import { escape, rich, say } from '../figures/format.js';
import { copied, saved, toPng } from './export.js';
import { layout, palette, toSvg } from '../figures/svg.js';
import { toLatex } from '../figures/latex.js';

const THEOREMS = JSON.parse(document.getElementById('theorems').textContent);
const FIGURES = [channelFigure, coefficientFigure, displacementFigure, probabilityFigure, calibrationFigure, phaseFigure, spectrumFigure];
const PLACES = ['channel', 'coefficients', 'displacement', 'probabilities', 'calibration', 'phase', 'spectrum', 'descent-0', 'descent-1', 'descent-chart'];
const el = (id) => document.getElementById(id);
const still = matchMedia('(prefers-reduced-motion: reduce)');
const night = matchMedia('(prefers-color-scheme: dark)');

let state = fromHash(location.hash);
let view = null;
let network = null;
let descent = null;
let running = 0;
let asked = 0;
const drawn = new Map(); // figures by place

const texts = new WeakMap();

// --- drawing ------------------------------------------------------------------------------------------

const dark = () => (document.documentElement.dataset.theme ? document.documentElement.dataset.theme === 'dark' : night.matches);

/** Only what has changed. */
function fill(place, text) {
  if (texts.get(place) !== text) place.innerHTML = text;
  texts.set(place, text);
}

/** While a hand drags, a frame does not shrink: what gets smaller is seen to get smaller. */
let held = false;
function steady(figure) {
  const before = drawn.get(figure.id);
  if (!held || !before || !figure.bare || before.equal !== figure.equal) return figure;
  const both = (one, other) => ({ ...one, low: Math.min(one.low, other.low), high: Math.max(one.high, other.high) });
  return { ...figure, x: both(figure.x, before.x), y: both(figure.y, before.y) };
}

function draw(made) {
  const figure = steady(made);
  drawn.set(figure.id, figure);
  if (seen.has(figure.id)) paint(figure);
}

/** Only what is in sight is painted; what comes into sight is painted then. */
const seen = new Set(PLACES);
const watcher = new IntersectionObserver(
  (changes) => {
    for (const { target, isIntersecting } of changes) {
      if (!isIntersecting) seen.delete(target.id);
      else {
        seen.add(target.id);
        if (drawn.has(target.id)) paint(drawn.get(target.id));
      }
    }
  },
  { rootMargin: '300px' },
);

function paint(figure) {
  const place = el(figure.id);
  fill(place.querySelector('.picture'), toSvg(figure, palette(dark())));
  const title = place.querySelector('h2');
  if (title.textContent !== figure.title) title.textContent = figure.title;
  fill(place.querySelector('figcaption'), rich(figure.caption));
  if (place.querySelector('.numbers').open) place.querySelector('.numbers div').innerHTML = table(figure);
}

function refresh() {
  asked = 0;
  view = viewOf(state);
  for (const make of FIGURES) draw(overlay(make(view), network));
  showControls(state);
  showBar(state);
  showQuestions(view);
  summary();
  listTheorems();
  el('command').textContent = command(state);
  later();
}

/** Once a frame, however often a slider moves. */
function change(part) {
  const fresh = { ...state, ...part };
  if (part.K) {
    fresh.own = fresh.own.slice(0, fresh.K);
    if (fresh.d !== null && fresh.d < fresh.K - 1) fresh.d = null;
  }
  if (part.law === 'own' && state.law !== 'own') fresh.lam = 0;
  const moved = Object.keys(part).every((name) => ['lam', 'yaw', 'pitch'].includes(name));
  state = fresh;
  if (!moved) stop();
  if (!asked) asked = requestAnimationFrame(refresh);
}

/** What may wait until the hand rests: the address, and words for who listens. */
let waiting = 0;
function later() {
  clearTimeout(waiting);
  waiting = setTimeout(() => {
    try {
      history.replaceState(null, '', toHash(state) || location.pathname.split('/').pop() || '#');
    } catch {
      // a page inside another has no address of its own
    }
    el('spoken').textContent = el('summary').innerText.replaceAll('\n', ', ');
  }, 400);
}

function summary() {
  const bow = bowing(view);
  const facts = [
    ['sharpness a', say(view.a, 6)],
    ['row norm m', say(view.m, 6)],
    ['threshold σ²', say(view.sigma2)],
    ['λ_W λ_H', `${say(view.c2)}${view.c2 < view.sigma2 ? '' : ', beyond it'}`],
    ['bow at λ = ½', bow === null ? '–' : `${say(bow, 3)} × chord`],
    ['‖h‖ of one class', view.zero ? '0' : say((view.same / view.g) * view.m)],
  ];
  fill(el('summary'), facts.map(([name, value]) => `<div><dt>${rich(name)}</dt><dd>${rich(value)}</dd></div>`).join(''));
}

let listed = '';
function listTheorems() {
  const open = new Set([...document.querySelectorAll('#theorem-list details[open]')].map((one) => one.dataset.theorem));
  const found = judged(THEOREMS, view);
  const key = found.map(({ broken }) => broken).join('|') + state.classifier;
  if (key !== listed) el('theorem-list').innerHTML = theoremList(THEOREMS, view, open);
  listed = key;
}

/** The numbers of a figure, for who cannot see it, and for copying: at most 25 rows a curve. */
function table(figure) {
  const parts = [];
  const name = (axis, otherwise) => axis.label || otherwise;
  for (const item of figure.items) {
    if (!item.points || item.points.length < 2 || item.kind === 'area') continue;
    const step = Math.ceil(item.points.length / 25);
    const rows = item.points.filter((_, n) => n % step === 0 || n === item.points.length - 1);
    parts.push(
      `<table><caption>${escape(item.label || item.colour)}</caption><thead><tr><th scope="col">${rich(name(figure.x, 'right'))}</th><th scope="col">${rich(name(figure.y, 'up'))}</th></tr></thead>` +
        `<tbody>${rows.map(([x, y]) => `<tr><td>${say(x, 6)}</td><td>${say(y, 6)}</td></tr>`).join('')}</tbody></table>`,
    );
  }
  return parts.slice(0, 8).join('');
}

// --- dragging in pictures -----------------------------------------------------------------------------

/** What a place in a picture means. */
function pointed(figure, x, y) {
  if (figure.id === 'displacement') return { lam: 1 / (1 + Math.exp(-x)) };
  if (figure.id === 'calibration') return { lam: (x - state.smoothing / state.K) / (1 - state.smoothing) };
  if (figure.id === 'phase') {
    const part = { [phaseAxis(view)]: x };
    if (state.classifier === 'best') part.lw = y / state.lh;
    return part;
  }
  if (figure.id === 'channel') return nearest(figure, x, y);
  return figure.drag ? { lam: x } : null;
}

/** The lam whose feature is nearest; the thick line of the picture is the curve itself. */
function nearest(figure, x, y) {
  const line = figure.items.find((item) => item.wide === 3);
  if (!line || line.points.length !== view.curve.length) return null;
  const far = line.points.map(([u, v]) => Math.hypot(u - x, v - y));
  return { lam: view.curve[far.indexOf(Math.min(...far))].lam };
}

function draggable(id) {
  const place = el(id).querySelector('.picture');
  let last = null;
  const move = (event) => {
    const figure = drawn.get(id);
    if (id === 'channel' && state.K === 4) {
      const [dx, dy] = [event.clientX - last.x, event.clientY - last.y];
      last = { x: event.clientX, y: event.clientY };
      change({ yaw: wrapped(state.yaw + dx / 2), pitch: Math.max(-90, Math.min(90, state.pitch + dy / 2)) });
      return;
    }
    const box = place.querySelector('svg').getBoundingClientRect();
    const at = layout(figure);
    const [x, y] = at.fromPixel(((event.clientX - box.left) / box.width) * at.width, ((event.clientY - box.top) / box.height) * at.height);
    const part = pointed(figure, x, y);
    if (!part) return;
    for (const [name, value] of Object.entries(part)) part[name] = Number(allowed(name, value, state).toPrecision(4));
    change(part);
  };
  place.addEventListener('pointerdown', (event) => {
    last = { x: event.clientX, y: event.clientY };
    place.setPointerCapture(event.pointerId);
    move(event);
  });
  place.addEventListener('pointermove', (event) => last && move(event));
  for (const end of ['pointerup', 'pointercancel']) place.addEventListener(end, () => (last = null));
}

const wrapped = (angle) => ((((angle + 180) % 360) + 360) % 360) - 180;

function turnByKeys() {
  el('channel').querySelector('.picture').addEventListener('keydown', (event) => {
    const steps = { ArrowLeft: [-5, 0], ArrowRight: [5, 0], ArrowUp: [0, -5], ArrowDown: [0, 5] }[event.key];
    if (!steps) return;
    event.preventDefault();
    if (state.K === 4) change({ yaw: wrapped(state.yaw + steps[0]), pitch: Math.max(-90, Math.min(90, state.pitch + steps[1])) });
    else change({ lam: allowed('lam', state.lam + (steps[0] - steps[1]) / 500, state) });
  });
}

// --- figures as files ---------------------------------------------------------------------------------

async function exported(id, kind) {
  const figure = drawn.get(id);
  if (kind === 'tex') return toLatex(figure, command(state));
  const svg = toSvg(figure, palette(false), true);
  return kind === 'svg' ? svg : toPng(svg);
}

async function exportFrom(button) {
  const { figure, kind } = button.dataset;
  saved(`ufm-${figure}.${kind}`, await exported(figure, kind));
}

// --- blind descent ------------------------------------------------------------------------------------

function stop() {
  cancelAnimationFrame(running);
  running = 0;
  descent = null;
  el('descent-says').textContent = 'Press the button: features start at zero, and know nothing of the closed form.';
  for (const place of ['descent-0', 'descent-1', 'descent-chart']) el(place).hidden = true;
  el('descend').textContent = 'Start from zero';
}

function showDescent() {
  for (const figure of descent.figures()) {
    el(figure.id).hidden = false;
    draw(figure);
  }
  el('descend').textContent = running ? 'Pause' : descent.done ? 'Again from zero' : 'Go on';
}

function descend() {
  if (running) {
    cancelAnimationFrame(running);
    running = 0;
    showDescent();
    return;
  }
  if (!descent || descent.done || descent.view.curve !== view.curve) {
    if (view.zero) {
      el('descent-says').textContent = 'W = 0 here: there is nothing to descend to. Lower a penalty first.';
      return;
    }
    descent = new Descent(view, el('method').value);
  }
  let wait = 0;
  const frame = () => {
    const slow = descent.method === 'newton';
    if (!slow || wait++ % 12 === 0) {
      // the pace grows with the way behind, so that every decade of steps takes as long
      const begun = performance.now();
      const count = still.matches ? 1e4 : slow ? 1 : Math.max(1, Math.ceil(descent.steps / 25));
      for (let n = 0; n < count && !descent.done && performance.now() - begun < 14; n += 10) descent.advance(Math.min(10, count - n));
    }
    if (descent.done) {
      running = 0;
      el('descent-says').textContent = descent.said;
      showDescent();
      return;
    }
    showDescent();
    running = requestAnimationFrame(frame);
  };
  el('descent-says').textContent = `${METHODS[descent.method]} is running.`;
  running = requestAnimationFrame(frame);
}

// --- a network ----------------------------------------------------------------------------------------

async function takeFile(file) {
  const says = el('network-says');
  try {
    const json = file.name.endsWith('.json');
    const found = json ? recorded(JSON.parse(await file.text())) : measured(await readNpz(await file.arrayBuffer(), KEYS));
    network = found;
    says.innerHTML = networkWords(file.name, found, json);
    const near = { K: found.K, classifier: 'given', m: Number(found.m.toPrecision(12)), lh: Number(found.lambdaH.toPrecision(12)), law: 'mixup', smoothing: 0, loss: 'cross-entropy', d: null };
    for (const name of ['K', 'm', 'lh']) near[name] = allowed(name, near[name], state);
    change(near);
  } catch (error) {
    network = null;
    says.textContent = `${file.name}: ${error.message}`;
    change({});
  }
}

function networkWords(name, found, json) {
  const how = found.known ? 'of its λ_H, nothing fitted' : 'fitted to its logits';
  const rows = found.count === found.total ? `${found.total} rows` : `${found.count} of ${found.total} rows, evenly chosen`;
  const verdicts = found.verdicts
    .map(({ name: one, words, value, word }) => `<tr><th scope="row">${escape(one)}</th><td>${say(value, 3)}</td><td class="${word.replaceAll(' ', '-')}">${escape(word)}</td><td>${escape(words)}</td></tr>`)
    .join('');
  const limits = json ? escape(found.headline ?? '') : `Three statements, without intervals; all of them: <code>python -m ufm.compare ${escape(name)}</code>`;
  return (
    `<p><strong>R² ${say(found.r2)}</strong> of the closed form at a = ${say(found.a)}, ${how}; ${say(found.linear)} of the straight line. ` +
    `${escape(name)}: K = ${found.K}, d = ${found.d}, ${rows}. The controls now show its K, m and a; its features are the pink points.</p>` +
    `<div class="wide"><table class="verdicts"><thead><tr><th scope="col">statement</th><th scope="col">value</th><th scope="col">verdict</th><th scope="col">asked for</th></tr></thead><tbody>${verdicts}</tbody></table></div><p class="small">${limits}</p>`
  );
}

function dropping() {
  const zone = el('drop');
  for (const name of ['dragenter', 'dragover']) {
    document.addEventListener(name, (event) => {
      event.preventDefault();
      zone.classList.add('over');
    });
  }
  document.addEventListener('dragleave', () => zone.classList.remove('over'));
  document.addEventListener('drop', (event) => {
    event.preventDefault();
    zone.classList.remove('over');
    if (event.dataTransfer.files.length) takeFile(event.dataTransfer.files[0]);
  });
  el('file').addEventListener('change', (event) => event.target.files.length && takeFile(event.target.files[0]));
  el('forget').addEventListener('click', () => {
    network = null;
    el('network-says').textContent = '';
    el('file').value = '';
    change({});
  });
}

// --- begin --------------------------------------------------------------------------------------------

/** A figure's place: heading, picture, caption, files, numbers. */
function furnish(place) {
  const words = place.dataset.words ?? '';
  place.innerHTML =
    `<h2></h2>${words ? `<p class="small">${words}</p>` : ''}<div class="picture"></div><figcaption></figcaption>` +
    `<div class="tools">${['svg', 'png', 'tex'].map((kind) => `<button type="button" data-figure="${place.id}" data-kind="${kind}" aria-label="save ${place.id} as ${kind === 'tex' ? 'LaTeX' : kind.toUpperCase()}">${kind === 'tex' ? 'LaTeX' : kind.toUpperCase()}</button>`).join('')}` +
    '<details class="numbers"><summary>Numbers</summary><div class="wide"></div></details></div>';
  place.querySelector('.numbers').addEventListener('toggle', () => drawn.has(place.id) && paint(drawn.get(place.id)));
}

document.addEventListener('pointerdown', () => (held = true), true);
for (const end of ['pointerup', 'pointercancel']) {
  document.addEventListener(end, () => {
    held = false;
    change({});
  });
}
for (const id of PLACES) {
  furnish(el(id));
  watcher.observe(el(id));
}
for (const id of ['channel', 'coefficients', 'displacement', 'probabilities', 'calibration', 'phase']) draggable(id);
const channelPicture = el('channel').querySelector('.picture');
channelPicture.tabIndex = 0;
channelPicture.setAttribute('role', 'application');
channelPicture.setAttribute('aria-label', 'channel picture; arrow keys move λ, or turn four classes');
turnByKeys();
const showControls = controls(el('controls'), change);
const showBar = bar(el('bar'), change);
const showQuestions = questions(el('questions'), change);
el('questions').addEventListener('toggle', () => showQuestions(view), true);
el('method').innerHTML = Object.entries(METHODS).map(([value, words]) => `<option value="${value}">${words}</option>`).join('');
el('method').addEventListener('change', stop);
el('descend').addEventListener('click', descend);
dropping();
document.addEventListener('click', (event) => {
  const button = event.target.closest('button[data-kind]');
  if (button) exportFrom(button);
});
el('copy').addEventListener('click', () => copied(command(state), el('copy-says'), 'command'));
el('link').addEventListener('click', () => copied(location.href.split('#')[0] + toHash(state), el('copy-says'), 'link'));
el('reset').addEventListener('click', () => {
  state = { ...FIRST };
  network = null;
  stop();
  change({});
});
el('theme').addEventListener('click', () => {
  document.documentElement.dataset.theme = dark() ? 'light' : 'dark';
  refresh();
});
night.addEventListener('change', refresh);
addEventListener('hashchange', () => {
  if (toHash(state) === location.hash) return;
  state = fromHash(location.hash);
  stop();
  change({});
});
stop();
refresh();

// for the console, and for tests
globalThis.ufm = {
  get state() { return state; },
  get view() { return view; },
  get network() { return network; },
  get descent() { return descent; },
  change, command, exported, fromHash, judged: () => judged(THEOREMS, view), hypotheses: Object.keys(HYPOTHESES), refresh, toHash, viewOf, drawn,
  QUESTIONS, palette, labelOptimum, shownLabel, patterns, threshold, jointSharpness, productOf, collapseSpectrum, featureSpectrum,
};
