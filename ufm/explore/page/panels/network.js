// A network over the theory: its logits against the closed form of its own labels, and its features in the picture.
//
// R^2 = 1 - sum |z - z_a(y)|^2 / sum |z - mean z|^2 of centred logits, as `ufm.compare` has it, at the a of its
// lambda_H or else the best one; beside the baseline s (y - 1/K) with the best s.

import { labelOptimum } from '../math/optimum.js';

export const KEYS = ['H', 'W', 'b', 'i', 'j', 'lam', 'y', 'Y', 'weights', 'lambda_h', 'lambda_w'];
const MOST = 4000; // rows that are looked at
const FITTED = 400; // of them, to find a
const CRITERIA = [
  ['closed-form', 'logits follow the closed form: R² ≥ 0.8', (f) => f.r2 >= 0.8, (f) => f.r2],
  [
    'linear',
    'they bend as it does: R² less that of the linear baseline ≥ −0.001',
    (f) => f.r2 - f.linear >= -1e-3,
    (f) => f.r2 - f.linear,
  ],
  ['etf', 'centred W is a simplex ETF: relative deviation ≤ 0.1', (f) => f.etf <= 0.1, (f) => f.etf],
];

/** What is found of the arrays of a file; an Error says what is missing. */
export function measured(arrays) {
  const { H, W } = arrays;
  if (!H || !W) throw new Error('the file needs H (N x d, what the last layer takes) and W (K x d)');
  const [K, d] = W.shape;
  if (H.shape.length !== 2 || W.shape.length !== 2 || H.shape[1] !== d)
    throw new Error(`H is ${H.shape.join(' x ')} and W ${W.shape.join(' x ')}: they need the same d`);
  if (K > 1000 || K < 2) throw new Error(`the page is of 2 to 1000 classes, W has ${K} rows`);
  const V = centred(W.data, K, d);
  const shift = shiftOf(arrays.b, K);
  const total = H.shape[0];
  const step = Math.max(1, Math.ceil(total / MOST));
  const rows = [];
  for (let n = 0; n < total; n += step) rows.push(rowOf(arrays, n, K, d, V, shift));
  if (rows.length < 2) throw new Error('there are too few rows');
  const m = Math.sqrt(V.reduce((sum, v) => sum + v * v, 0) / K);
  const lambdaH = arrays.lambda_h?.data[0];
  const known = lambdaH > 0 ? (m * m * K) / ((K - 1) * lambdaH) : null;
  const a = known ?? fitted(rows, K);
  const found = { K, d, m, a, known: known !== null, count: rows.length, total, etf: deviation(V, K, d), rows };
  Object.assign(found, explained(rows, a, K), { points: projected(rows, arrays, V, K, d) });
  found.lambdaH = known !== null ? lambdaH : (m * m * K) / ((K - 1) * a);
  found.verdicts = CRITERIA.map(([name, words, holds, value]) => ({
    name,
    words,
    value: value(found),
    word: holds(found) ? 'reproduced' : 'not reproduced',
  }));
  return found;
}

function centred(W, K, d) {
  const V = Float64Array.from(W);
  for (let c = 0; c < d; c++) {
    let mean = 0;
    for (let k = 0; k < K; k++) mean += W[k * d + c] / K;
    for (let k = 0; k < K; k++) V[k * d + c] -= mean;
  }
  return V;
}

function shiftOf(b, K) {
  if (!b) return new Float64Array(K);
  const mean = b.data.reduce((sum, v) => sum + v, 0) / K;
  return b.data.map((v) => v - mean);
}

/** Centred logits, label and weight of a row. */
function rowOf(arrays, n, K, d, V, shift) {
  const h = arrays.H.data.subarray(n * d, n * d + d);
  const z = new Float64Array(K);
  for (let k = 0; k < K; k++) {
    let sum = shift[k];
    for (let c = 0; c < d; c++) sum += V[k * d + c] * h[c];
    z[k] = sum;
  }
  return { n, z, label: labelOf(arrays, n, K), weight: arrays.weights ? arrays.weights.data[n] : 1 };
}

/** The label of a row: entries by class, and grouped as values with their classes. */
function labelOf({ i, j, lam, y, Y }, n, K) {
  const entries = new Float64Array(K);
  if (i && j && lam) {
    const share = lam.data[lam.data.length === 1 ? 0 : n];
    entries[i.data[n]] += share;
    entries[j.data[n]] += 1 - share;
  } else if (y) entries[y.data[n]] = 1;
  else if (Y) entries.set(Y.data.subarray(n * K, n * K + K));
  else throw new Error('the file needs labels: i, j and lam, or y, or Y');
  if (!entries.every((v) => v >= 0) || Math.abs(entries.reduce((sum, v) => sum + v, 0) - 1) > 1e-5) {
    throw new Error(`row ${n} has no label of ${K} classes`);
  }
  const [values, classes] = [[], []];
  entries.forEach((v, k) => {
    const place = values.indexOf(v);
    if (place >= 0) classes[place].push(k);
    else {
      values.push(v);
      classes.push([k]);
    }
  });
  return { entries, values, classes, counts: classes.map((list) => list.length) };
}

/** z_a(y) by class. */
function closed(label, a, K) {
  const { z } = labelOptimum(label, a);
  const found = new Float64Array(K);
  label.classes.forEach((list, slot) => list.forEach((k) => (found[k] = z[slot])));
  return found;
}

function misfit(rows, a, K) {
  let sum = 0;
  for (const { z, label, weight } of rows) {
    const other = closed(label, a, K);
    for (let k = 0; k < K; k++) sum += weight * (z[k] - other[k]) ** 2;
  }
  return sum;
}

/** The best a: a grid of log a, then golden sections. */
function fitted(rows, K) {
  const step = Math.max(1, Math.floor(rows.length / FITTED));
  const some = rows.filter((_, n) => n % step === 0);
  const at = (t) => misfit(some, 10 ** t, K);
  let best = -4;
  for (let t = -4; t <= 16; t += 0.5) if (at(t) < at(best)) best = t;
  let [low, high] = [best - 0.5, best + 0.5];
  const golden = (Math.sqrt(5) - 1) / 2;
  while (high - low > 1e-7) {
    const [one, other] = [high - golden * (high - low), low + golden * (high - low)];
    if (at(one) < at(other)) high = other;
    else low = one;
  }
  return 10 ** ((low + high) / 2);
}

function explained(rows, a, K) {
  const mean = new Float64Array(K);
  const mass = rows.reduce((sum, row) => sum + row.weight, 0);
  let [product, square, total, linear] = [0, 0, 0, 0];
  for (const { z, label, weight } of rows) {
    for (let k = 0; k < K; k++) {
      mean[k] += (weight * z[k]) / mass;
      product += weight * z[k] * (label.entries[k] - 1 / K);
      square += weight * (label.entries[k] - 1 / K) ** 2;
    }
  }
  const s = square > 0 ? product / square : 0;
  for (const { z, label, weight } of rows) {
    for (let k = 0; k < K; k++) {
      total += weight * (z[k] - mean[k]) ** 2;
      linear += weight * (z[k] - s * (label.entries[k] - 1 / K)) ** 2;
    }
  }
  return { r2: 1 - misfit(rows, a, K) / total, linear: 1 - linear / total };
}

/** |G - (tr G/(K-1)) (I - 11'/K)| / |G|, G = V V'. */
function deviation(V, K, d) {
  let [square, rest] = [0, 0];
  let trace = 0;
  for (const v of V) trace += (v * v) / (K - 1);
  for (let k = 0; k < K; k++) {
    for (let l = 0; l < K; l++) {
      let entry = 0;
      for (let c = 0; c < d; c++) entry += V[k * d + c] * V[l * d + c];
      square += entry ** 2;
      rest += (entry - trace * ((k === l ? 1 : 0) - 1 / K)) ** 2;
    }
  }
  return Math.sqrt(rest / square);
}

/**
 * Rows in the picture: of the first three classes, in the plane of their centred rows (their polar factor), and
 * displacement of all mixed rows against logit lam: (z_i - z_j)/|w_i - w_j|.
 */
function projected(rows, arrays, V, K, d) {
  const [inPlane, across] = [[], []];
  const basis = K >= 3 ? polar(V, d) : null;
  for (const { n, z, label } of rows) {
    const some = [...label.entries.keys()].filter((k) => label.entries[k] > 1e-9);
    const h = arrays.H.data.subarray(n * d, n * d + d);
    if (basis && some.length <= 2 && some.every((k) => k < 3)) {
      inPlane.push({
        at: basis.map((row) => row.reduce((sum, v, c) => sum + v * h[c], 0)),
        single: some.length < 2,
      });
    }
    if (some.length === 2) {
      const [i, j] = some;
      let apart = 0;
      for (let c = 0; c < d; c++) apart += (V[i * d + c] - V[j * d + c]) ** 2;
      across.push([Math.log(label.entries[i] / label.entries[j]), (z[i] - z[j]) / Math.sqrt(apart)]);
    }
  }
  return { plane: inPlane.slice(0, 1500), across: across.slice(0, 1500) };
}

/** Two orthonormal rows nearest to those of the first three classes, seen as an even triangle. */
function polar(V, d) {
  const corner = [90, 210, 330].map((angle) => (angle * Math.PI) / 180);
  const scale = Math.sqrt(2 / 3);
  const B = [Math.cos, Math.sin].map((f) => {
    const row = new Float64Array(d);
    for (let c = 0; c < d; c++) row[c] = scale * corner.reduce((sum, t, k) => sum + f(t) * V[k * d + c], 0);
    return row;
  });
  const dot = (p, q) => p.reduce((sum, v, c) => sum + v * q[c], 0);
  const [x, y, w] = [dot(B[0], B[0]), dot(B[0], B[1]), dot(B[1], B[1])];
  // the square root of a 2 x 2 matrix S is (S + r)/t, r = sqrt(det), t = sqrt(tr + 2 r); its inverse is needed
  const r = Math.sqrt(Math.max(x * w - y * y, 0));
  const t = Math.sqrt(x + w + 2 * r);
  const [p, q, s] = [(x + r) / t, y / t, (w + r) / t];
  const det = p * s - q * q;
  return [
    [s / det, -q / det],
    [-q / det, p / det],
  ].map(([one, other]) => B[0].map((v, c) => one * v + other * B[1][c]));
}

/** The same of a record of `ufm.compare --json`: what it says, and its bins of lam. */
export function recorded(record) {
  if (!record || !record.data || !record.fit || !Array.isArray(record.verdicts)) {
    throw new Error('this is no record of one network by python -m ufm.compare --json');
  }
  const { data, fit, channel, calibration } = record;
  const a = fit.sharpness ?? fit.a_known ?? fit.a;
  const bins = (list) =>
    (list ?? []).map((v, n) => [channel?.logit?.[n], v]).filter((p) => p.every(Number.isFinite));
  const mixed = calibration?.mixed;
  const binned = (list) =>
    (list ?? []).map((v, n) => [mixed.lam[n], v]).filter((p) => p.every(Number.isFinite));
  return {
    K: data.classes,
    d: data.dim,
    m: data.multiplier,
    a,
    known: fit.a_known !== null,
    count: data.count,
    total: data.count,
    r2: fit.r2_known ?? fit.r2,
    linear: fit.r2_linear,
    etf: data.etf_deviation,
    headline: record.headline,
    lambdaH: (data.multiplier ** 2 * data.classes) / ((data.classes - 1) * a),
    verdicts: record.verdicts.map(({ name, claim, criterion, value, verdict }) => ({
      name,
      words: `${claim} (${criterion})`,
      value,
      word: verdict,
    })),
    points: {
      plane: [],
      across: bins(channel?.curves?.displacement?.value),
      first: mixed ? binned(mixed.first) : [],
    },
  };
}

/** The items that a network adds to a figure. */
export function overlay(figure, network) {
  if (!network) return figure;
  const { plane = [], across = [], first = [] } = network.points;
  const dots = (points, colour) => ({ kind: 'points', points, colour, size: 2.4 });
  const more = {
    channel: [
      dots(
        plane.filter((p) => !p.single).map((p) => p.at),
        'pink',
      ),
      dots(
        plane.filter((p) => p.single).map((p) => p.at),
        'orange',
      ),
    ],
    displacement: [dots(across, 'pink')],
    probabilities: [dots(first, 'pink')],
  }[figure.id];
  if (!more || !more.some((item) => item.points.length)) return figure;
  const singles = figure.id === 'channel' && plane.some((p) => p.single);
  const whose = `Pink: the network${singles ? ' (small orange dots: its single classes)' : ''}.`;
  return { ...figure, items: [...figure.items, ...more], caption: `${figure.caption} ${whose}` };
}
