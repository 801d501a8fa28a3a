// The controls: every number has a slider and a field, and both say the same.

import { rich } from '../figures/format.js';
import { MIXING } from '../math/laws.js';
import { FIRST, LAWS, LOSSES, RANGES, allowed, readOwn } from './state.js';

const STEPS = 1000;

/** What a label of each law is. */
const MEANING = {
  mixup: 'λ of one class, 1 − λ of another',
  cutmix: 'a box of one image in another, shares by area',
  kway: 'random shares of a few classes',
  onehot: 'one class each, none mixed',
  own: 'one that you type, in every order of classes',
};
const ETF = 'ETF, simplex equiangular tight frame: rows of one length, as far apart as they can be';

/** What each control is called, what it means, and where it applies. */
const NUMBERS = [
  ['K', 'classes K', 'how many classes', () => true],
  ['lam', 'mixing weight λ', 'which label is looked at: λ of class 1, 1 − λ of class 2', () => true],
  [
    'alpha',
    'α of the law',
    'λ ~ Beta(α, α): small α mixes little, large α mixes evenly',
    (s) => MIXING.includes(s.law),
  ],
  ['ways', 'classes mixed', 'how many classes one label may mix', (s) => s.law === 'kway'],
  ['smoothing', 'smoothing δ', 'labels become (1 − δ) y + δ/K', () => true],
  ['lw', 'penalty λ_W', 'of (λ_W/2)‖W‖²', (s) => s.classifier === 'best'],
  ['lh', 'penalty λ_H', 'of (λ_H/2)‖h‖², a mean over samples', () => true],
  ['m', 'row norm m', 'W is a simplex ETF with rows of this length', (s) => s.classifier === 'given'],
];

function toSlider(name, value) {
  const { low, high, log } = RANGES[name];
  const share = log ? Math.log(value / low) / Math.log(high / low) : (value - low) / (high - low);
  return Math.round(STEPS * share);
}

function fromSlider(name, place) {
  const { low, high, log, whole } = RANGES[name];
  const value = log ? low * (high / low) ** (place / STEPS) : low + (high - low) * (place / STEPS);
  return whole ? Math.round(value) : Number(value.toPrecision(log ? 3 : 4));
}

/** Build the controls once; change(part) is called with what was changed. Returns show(state). */
export function controls(place, change) {
  place.innerHTML =
    group('law', 'Labels', LAWS, MEANING[FIRST.law]) +
    NUMBERS.slice(0, 5).map(row).join('') +
    `<div class="control" data-name="own"><label for="own">shares of your label</label>
      <input id="own" type="text" inputmode="decimal" autocomplete="off" spellcheck="false"
        aria-describedby="own-says">
      <p id="own-says" class="small">of class 1, class 2, …; every order of the classes is as likely.
        λ moves it towards class 1.</p></div>` +
    group('classifier', 'Classifier W', { best: 'the joint optimum', given: 'an ETF of given size' }, ETF) +
    NUMBERS.slice(5).map(row).join('') +
    group('loss', 'Loss', LOSSES) +
    `<div class="control" data-name="d"><label for="d">dimension d</label>
      <input id="d" type="number" min="1" max="2000" step="1" placeholder="K">
      <p class="small">at least K − 1; only spectra ask for it</p></div>`;
  let state = null;
  place.addEventListener('input', (event) => {
    const { name, value, type } = event.target;
    const known = event.target.dataset.name;
    if (type === 'radio') change({ [name]: value });
    else if (type === 'range') change({ [known]: fromSlider(known, Number(value)) });
  });
  place.addEventListener('change', (event) => {
    const known = event.target.dataset.name ?? event.target.id;
    if (event.target.type === 'range' || event.target.type === 'radio') return;
    if (known === 'own') {
      const own = readOwn(event.target.value, state.K);
      place.querySelector('#own-says').textContent = Array.isArray(own)
        ? 'brought to a sum of one; every order of the classes is as likely'
        : own;
      event.target.setAttribute('aria-invalid', String(!Array.isArray(own)));
      if (Array.isArray(own)) change({ own });
      return;
    }
    if (known === 'd' && event.target.value === '') change({ d: null });
    const value = allowed(known, event.target.value, state);
    if (value !== null) change({ [known]: value });
    else show(state);
  });
  const show = (next) => {
    state = next;
    for (const name of ['law', 'classifier', 'loss']) {
      const input = place.querySelector(`input[name="${name}"][value="${state[name]}"]`);
      if (!input.checked) input.checked = true;
    }
    place.querySelector('#law-says').textContent = MEANING[state.law];
    for (const [name, , , applies] of NUMBERS) showNumber(place, name, state, applies(state));
    place.querySelector('[data-name="own"]').hidden = state.law !== 'own';
    set(place.querySelector('#own'), state.own.map((v) => Number(v.toPrecision(6))).join(', '));
    set(place.querySelector('#d'), state.d ?? '');
  };
  return show;
}

function showNumber(place, name, state, applies) {
  const box = place.querySelector(`.control[data-name="${name}"]`);
  box.hidden = !applies;
  const [slider, field] = box.querySelectorAll('input');
  set(slider, String(toSlider(name, state[name])));
  slider.setAttribute('aria-valuetext', String(state[name]));
  set(field, String(state[name]));
}

/** Not while somebody is writing there. */
function set(input, value) {
  const writing = document.activeElement === input && input.type !== 'range';
  if (!writing && input.value !== String(value)) input.value = value;
}

function row([name, label, hint]) {
  const { low, high } = RANGES[name];
  return `<div class="control" data-name="${name}">
    <label for="${name}-slider">${rich(label)}</label>
    <input id="${name}-slider" data-name="${name}" type="range" min="0" max="${STEPS}" step="1"
      aria-describedby="${name}-says">
    <input data-name="${name}" type="number" min="${low}" max="${high}" step="any"
      aria-label="${label.replace('_', ' ')}, as a number">
    <p id="${name}-says" class="small">${rich(hint)}</p></div>`;
}

function group(name, title, choices, hint = '') {
  const radios = Object.entries(choices)
    .map(([value, words]) => `<label><input type="radio" name="${name}" value="${value}"> ${words}</label>`)
    .join('');
  const says = hint && `<p id="${name}-says" class="small">${hint}</p>`;
  return `<fieldset class="choice"><legend>${title}</legend>${radios}${says}</fieldset>`;
}

/** For narrow windows: one slider at the lower edge, for the number chosen beside it. */
export function bar(place, change) {
  place.innerHTML =
    '<label for="bar-name" class="hidden">number to drag</label><select id="bar-name"></select>' +
    `<label for="bar-slider" class="hidden">its value</label><input id="bar-slider" type="range" min="0" ` +
    `max="${STEPS}" step="1"><output for="bar-slider"></output>`;
  const [select, slider, output] = ['select', 'input', 'output'].map((tag) => place.querySelector(tag));
  let state = null;
  select.addEventListener('change', () => show(state));
  slider.addEventListener('input', () =>
    change({ [select.value]: fromSlider(select.value, Number(slider.value)) }),
  );
  const show = (next) => {
    state = next;
    const some = NUMBERS.filter(([, , , applies]) => applies(state));
    const names = some.map(([name]) => name).join();
    if (select.dataset.names !== names) {
      const chosen = select.value || 'lam';
      select.innerHTML = some
        .map(
          ([name, label]) => `<option value="${name}">${label.replace('_W', 'W').replace('_H', 'H')}</option>`,
        )
        .join('');
      select.value = some.some(([name]) => name === chosen) ? chosen : 'lam';
      select.dataset.names = names;
    }
    slider.value = String(toSlider(select.value, state[select.value]));
    output.textContent = String(state[select.value]);
  };
  return show;
}
