// The page: one state, one view of it, and panels that draw the view.

import { questions } from './questions.js';
import { bar, controls } from './controls.js';
import { FIRST, command, fromHash, toHash } from './state.js';
import { dark, draw, el, fill, furnish, onNight, stage } from './stage.js';
import { descend, run, stop } from './blind.js';
import { copied, saved, toPng } from './export.js';
import { draggable, turnByKeys } from './hand.js';
import { dropping } from './visitor.js';
import { viewOf } from './view.js';
import { labelOptimum } from '../math/optimum.js';
import { patterns, shownLabel, threshold } from '../math/laws.js';
import { jointSharpness, productOf } from '../math/joint.js';
import { collapseSpectrum, featureSpectrum } from '../math/spectrum.js';
import { bowing, channelFigure } from '../panels/channel.js';
import {
  calibrationFigure,
  coefficientFigure,
  displacementFigure,
  probabilityFigure,
} from '../panels/curves.js';
import { makeLevels, phaseFigure } from '../panels/phase.js';
import { spectrumFigure } from '../panels/spectrum.js';
import { HYPOTHESES, judged, theoremList } from '../panels/theorems.js';
import { overlay } from '../panels/network.js';
import { METHODS } from '../panels/descent.js';
import { rich, say } from '../figures/format.js';
import { palette, toSvg } from '../figures/svg.js';
import { toLatex } from '../figures/latex.js';

const THEOREMS = JSON.parse(el('theorems').textContent);
const FIGURES = [
  channelFigure,
  coefficientFigure,
  displacementFigure,
  probabilityFigure,
  calibrationFigure,
  phaseFigure,
  spectrumFigure,
];
const DRAGGED = ['channel', 'coefficients', 'displacement', 'probabilities', 'calibration', 'phase'];
const PLACES = [...DRAGGED, 'spectrum', 'descent-0', 'descent-1', 'descent-chart'];
const REST = 400; // milliseconds after which a hand has come to rest
let asked = 0;
let waiting = 0;
const listed = ['', ''];

stage.state = fromHash(location.hash);

function refresh() {
  asked = 0;
  stage.view = viewOf(stage.state);
  for (const make of FIGURES) draw(overlay(make(stage.view), stage.network));
  showControls(stage.state);
  showBar(stage.state);
  showQuestions(stage.view);
  summary();
  listTheorems(false);
  el('command').textContent = proof();
  clearTimeout(waiting);
  waiting = setTimeout(later, REST);
}

/** Once a frame, however often a slider moves. */
function change(part) {
  const fresh = { ...stage.state, ...part };
  if (part.K) {
    fresh.own = fresh.own.slice(0, fresh.K);
    if (fresh.d !== null && fresh.d < fresh.K - 1) fresh.d = null;
  }
  if (part.law === 'own' && stage.state.law !== 'own') fresh.lam = 0;
  const moved = Object.keys(part).every((name) => ['lam', 'yaw', 'pitch'].includes(name));
  stage.state = fresh;
  if (!moved) stop();
  if (!asked) asked = requestAnimationFrame(refresh);
}

/** What may wait until the hand rests: the address, and words for who listens. */
function later() {
  if (makeLevels(stage.view)) draw(phaseFigure(stage.view));
  listTheorems(true);
  try {
    history.replaceState(null, '', toHash(stage.state) || location.pathname.split('/').pop() || '#');
  } catch {
    // a page inside another has no address of its own
  }
  el('spoken').textContent = el('summary').innerText.replaceAll('\n', ', ');
}

function summary() {
  const { view } = stage;
  const bow = bowing(view);
  const facts = [
    ['sharpness a', say(view.a, 6)],
    ['row norm m', say(view.m, 6)],
    ['threshold σ²', say(view.sigma2)],
    ['λ_W λ_H', `${say(view.c2)}${view.c2 < view.sigma2 ? '' : ', beyond it'}`],
    ['bow at λ = ½', bow === null ? '–' : `${say(bow, 3)} × chord`],
    ['‖h‖ of one class', view.zero ? '0' : say((view.same / view.g) * view.m)],
  ];
  const words = facts.map(([name, value]) => `<div><dt>${rich(name)}</dt><dd>${rich(value)}</dd></div>`);
  fill(el('summary'), words.join(''));
}

/** The list of theorems, anew where another one applies; numbers in its words may wait until the hand rests. */
function listTheorems(words) {
  const unfolded = [...document.querySelectorAll('#theorem-list details[open]')];
  const open = new Set(unfolded.map((one) => one.dataset.theorem));
  const found = judged(THEOREMS, stage.view);
  const key = found.map(({ broken }) => (words ? broken : broken === null)).join('|') + stage.state.classifier;
  if (key !== listed[words ? 1 : 0]) el('theorem-list').innerHTML = theoremList(found, stage.view, open);
  listed[words ? 1 : 0] = key;
}

/** A figure as text, or a PNG as a blob; on white, whatever the page is on. */
async function exported(id, kind) {
  const figure = stage.drawn.get(id);
  if (kind === 'tex') return toLatex(figure, proof());
  const svg = toSvg(figure, palette(false), true);
  return kind === 'svg' ? svg : toPng(svg);
}

/** The commands of what is shown. */
function proof() {
  return command(stage.state, stage.view.m, stage.view.label);
}

/** Another problem altogether. */
function start(state) {
  stage.state = state;
  stop();
  change({});
}

for (const id of PLACES) furnish(el(id));
for (const id of DRAGGED) draggable(id, change);
turnByKeys(change);
dropping(change);
const showControls = controls(el('controls'), change);
const showBar = bar(el('bar'), change);
const showQuestions = questions(el('questions'), change);
el('questions').addEventListener('toggle', () => showQuestions(stage.view), true);
const methods = Object.entries(METHODS).map(([value, words]) => `<option value="${value}">${words}</option>`);
el('method').innerHTML = methods.join('');
el('method').addEventListener('change', stop);
el('descend').addEventListener('click', descend);
document.addEventListener('click', async (event) => {
  const button = event.target.closest('button[data-kind]');
  if (!button) return;
  const { figure, kind } = button.dataset;
  saved(`ufm-${figure}.${kind}`, await exported(figure, kind));
});
document.addEventListener('pointerdown', () => (stage.held = true), true);
for (const end of ['pointerup', 'pointercancel']) {
  document.addEventListener(end, () => {
    stage.held = false;
    change({ lam: stage.state.lam });
  });
}
el('copy').addEventListener('click', () => copied(proof(), el('copy-says'), 'command'));
el('link').addEventListener('click', () => {
  copied(location.href.split('#')[0] + toHash(stage.state), el('copy-says'), 'link');
});
el('reset').addEventListener('click', () => {
  stage.network = null;
  start({ ...FIRST });
});
el('theme').addEventListener('click', () => {
  document.documentElement.dataset.theme = dark() ? 'light' : 'dark';
  refresh();
});
onNight(refresh);
addEventListener('hashchange', () => {
  if (toHash(stage.state) !== location.hash) start(fromHash(location.hash));
});
stop();
refresh();
later();

// for the console, and for tests
globalThis.ufm = {
  get state() {
    return stage.state;
  },
  get view() {
    return stage.view;
  },
  get network() {
    return stage.network;
  },
  get descent() {
    return run.now;
  },
  judged: () => judged(THEOREMS, stage.view),
  hypotheses: Object.keys(HYPOTHESES),
  drawn: stage.drawn,
  change,
  collapseSpectrum,
  command: proof,
  exported,
  featureSpectrum,
  jointSharpness,
  labelOptimum,
  palette,
  patterns,
  productOf,
  refresh,
  shownLabel,
  threshold,
  toHash,
};
