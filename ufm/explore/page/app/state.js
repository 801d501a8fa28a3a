// What the page shows is one value, and the address after # is that value in words.

import { MIXING } from '../math/laws.js';

export const FIRST = {
  K: 10,
  law: 'mixup',
  alpha: 1,
  ways: 3,
  smoothing: 0,
  own: [0.6, 0.3, 0.1],
  loss: 'cross-entropy',
  classifier: 'best', // W of the joint optimum, or 'given' with row norm m
  lw: 5e-4,
  lh: 5e-4,
  m: 1.67,
  d: null, // null: K
  lam: 0.3,
  yaw: 25, // of the picture of four classes, in degrees
  pitch: 15,
};

export const LAWS = {
  mixup: 'mixup',
  cutmix: 'CutMix',
  kway: 'k-way mixing',
  onehot: 'one-hot',
  own: 'a label of your own',
};
export const LOSSES = { 'cross-entropy': 'cross-entropy', 'squared-error': 'squared error' };

/** Range of each number, and whether its slider runs in logarithms. */
export const RANGES = {
  K: { low: 2, high: 1000, log: true, whole: true },
  alpha: { low: 0.01, high: 100, log: true },
  ways: { low: 2, high: 3, whole: true },
  smoothing: { low: 0, high: 0.95 },
  lw: { low: 1e-9, high: 10, log: true },
  lh: { low: 1e-9, high: 10, log: true },
  m: { low: 1e-2, high: 100, log: true },
  lam: { low: 0, high: 1 },
  yaw: { low: -180, high: 180, whole: true },
  pitch: { low: -90, high: 90, whole: true },
};

/** The number as it may be, or null for what is none. */
export function allowed(name, value, state) {
  if (value === '' || value === null || !Number.isFinite(Number(value))) return null;
  if (name === 'd') return Math.max(state.K - 1, Math.min(2000, Math.round(Number(value))));
  const { low, high, whole } = RANGES[name];
  const number = Math.max(low, Math.min(high, Number(value)));
  return whole ? Math.round(number) : number;
}

/** Shares of a label in words like "0.6, 0.3, 0.1": at most K, brought to a sum of one; or what is wrong. */
export function readOwn(text, K) {
  const words = text.split(/[\s,;]+/).filter(Boolean);
  const values = words.map(Number);
  if (!values.length || values.some((v) => !(v >= 0 && Number.isFinite(v)))) return 'shares are numbers >= 0';
  if (values.length > Math.min(K, 12)) return `at most ${Math.min(K, 12)} shares: the other classes have none`;
  const sum = values.reduce((total, v) => total + v, 0);
  if (!(sum > 0)) return 'some share has to be positive';
  return Math.abs(sum - 1) < 1e-12 ? values : values.map((v) => v / sum);
}

/** The address: what is not as at first, name=value. */
export function toHash(state) {
  const parts = [];
  for (const [name, value] of Object.entries(state)) {
    if (JSON.stringify(value) !== JSON.stringify(FIRST[name])) parts.push(`${name}=${value}`);
  }
  return parts.length ? `#${parts.join('&')}` : '';
}

/** The state of an address; what it cannot mean is left as at first. */
export function fromHash(hash) {
  const state = { ...FIRST };
  const words = new Map(
    hash
      .replace(/^#/, '')
      .split('&')
      .map((part) => part.split('=').map(decodeURIComponent)),
  );
  const choices = { law: Object.keys(LAWS), loss: Object.keys(LOSSES), classifier: ['best', 'given'] };
  for (const [name, allowedWords] of Object.entries(choices)) {
    if (allowedWords.includes(words.get(name))) state[name] = words.get(name);
  }
  for (const name of Object.keys(RANGES)) {
    const value = words.has(name) ? allowed(name, words.get(name), state) : null;
    if (value !== null) state[name] = value;
  }
  if (words.has('d')) state.d = allowed('d', words.get('d'), state);
  const own = words.has('own') ? readOwn(words.get('own'), state.K) : null;
  if (Array.isArray(own)) state.own = own;
  state.own = state.own.slice(0, state.K);
  return state;
}

/**
 * The commands that prove what is shown, as lines of a shell: of the law, and where its command has no such label,
 * of the label that is looked at against the classifier of the page; m: its row norm, label: values and counts.
 */
export function command(state, m, label) {
  const mixing = ['mixup', 'cutmix'].includes(state.law) && state.smoothing === 0;
  const lines = [];
  if (state.law !== 'own') lines.push(ofLaw(state, mixing));
  if (!mixing) {
    const row = label.values.map((v, k) => `[${v}] * ${label.counts[k]}`).join(' + ');
    lines.push(`python -c "import numpy as np; np.save('label.npy', [${row}])"`);
    lines.push(
      ['python -m ufm.solve', `--classes ${state.K}`, '--labels label.npy', ...rest(state, m)].join(' '),
    );
  }
  return lines.join('\n');
}

function ofLaw(state, mixing) {
  const smooth = state.law === 'onehot' && state.smoothing > 0;
  const words = ['python -m ufm.solve', `--classes ${state.K}`, `--labels ${smooth ? 'smoothing' : state.law}`];
  if (MIXING.includes(state.law)) words.push(`--alpha ${state.alpha}`);
  if (state.law === 'kway') words.push(`--ways ${state.ways}`);
  if (state.smoothing > 0) words.push(`--smoothing ${state.smoothing}`);
  if (mixing) words.push(`--lam ${state.lam}`);
  if (mixing && state.K > 30) words.push('--symmetry');
  return [...words, ...rest(state, state.classifier === 'given' ? state.m : null)].join(' ');
}

function rest(state, m) {
  return [
    ...(m === null ? [] : [`--multiplier ${m}`]),
    `--lambda-w ${state.lw}`,
    `--lambda-h ${state.lh}`,
    ...(state.d === null ? [] : [`--dim ${state.d}`]),
    ...(state.loss === 'cross-entropy' ? [] : [`--loss ${state.loss}`]),
    '--rigorous',
  ];
}
