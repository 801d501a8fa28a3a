// The jointly optimal sharpness of an exchangeable law: M(a) = E|y - p_a(y)|^2 = (K-1) lambda_W lambda_H.

import { excess, mostReference } from './optimum.js';

/** M(a) and dM/da; logO (n) is where each pattern starts and ends. */
export function moment(patterns, a, K, logO) {
  const { r, n, values, counts, weight } = patterns;
  const x = new Float64Array(r);
  let [value, slope] = [0, 0];
  for (let row = 0; row < n; row++) {
    if (weight[row] === 0) continue;
    const at = row * r;
    logO[row] = settle(values, counts, at, r, a, K, logO[row], x);
    const o = Math.exp(logO[row]);
    // of r = z/a: d|r|^2/da = -2 sum n p (r - u)^2/(1 + a p), u = sum n p r/(1 + a p) over sum n p/(1 + a p)
    let [square, above, below] = [0, 0, 0];
    for (let k = 0; k < r; k++) {
      const s = o * Math.exp(x[k]); // a p
      const share = (counts[at + k] * s) / (1 + s);
      square += counts[at + k] * (x[k] - o) ** 2;
      above += share * (x[k] - o);
      below += share;
    }
    const u = above / below;
    let fall = 0;
    for (let k = 0; k < r; k++) {
      const s = o * Math.exp(x[k]);
      fall += ((counts[at + k] * s) / (1 + s)) * (x[k] - o - u) ** 2;
    }
    value += (weight[row] * square) / (a * a);
    slope -= (2 * weight[row] * fall) / (a * a * a);
  }
  return [value, slope];
}

/** log o of one pattern, by Newton; x gets its logits. */
function settle(values, counts, at, r, a, K, start, x) {
  let support = 0;
  for (let k = 0; k < r; k++) if (values[at + k] > 0) support += counts[at + k];
  const most = mostReference(a, K, support);
  let logO = Math.min(start, most);
  for (let step = 0; step < 80; step++) {
    const o = Math.exp(logO);
    let gap = -K * o;
    let slope = -K * o;
    for (let k = 0; k < r; k++) {
      x[k] = excess(o, a * values[at + k]);
      if (x[k] === 0) continue;
      const rise = a * values[at + k] - x[k];
      gap += counts[at + k] * x[k];
      slope -= (counts[at + k] * rise) / (1 + o + rise);
    }
    const next = Math.min(logO - gap / slope, most);
    const move = next - logO;
    logO = next;
    if (Math.abs(move) > 1e-8) continue;
    // the logits follow the last move: dx/dlog o = -rise/(1 + o + rise)
    for (let k = 0; k < r; k++) {
      const rise = a * values[at + k] - x[k];
      if (x[k] !== 0) x[k] -= (rise / (1 + o + rise)) * move;
    }
    break;
  }
  return logO;
}

/** Where the last problem ended: a hand moves little from one to the next, and Newton is safe from anywhere. */
let last = null;

/** Such a start of as many patterns, or their upper bounds and this log a. */
function starts(n, logA) {
  const found = last?.logO.length === n ? last : { logA, logO: new Float64Array(n).fill(Infinity) };
  last = null; // what fails is no start
  return found;
}

/**
 * The optimal a; 0 where c2 = lambda_W lambda_H is at or above the threshold. Newton in log a, inside a
 * bracket.
 */
export function jointSharpness(patterns, c2, threshold, K, loss = 'cross-entropy') {
  if (!(c2 < threshold)) return 0;
  const affine = (threshold - c2) / (c2 + Math.sqrt(threshold * c2)); // sigma/c - 1
  if (loss === 'squared-error') return affine;
  let low = Math.log(2 * affine);
  let high = Math.log((2 * Math.log(K)) / ((K - 1) * c2));
  const goal = (K - 1) * c2;
  const start = starts(patterns.n, Math.log(K * affine));
  const { logO } = start;
  let logA = Math.max(low, Math.min(high, start.logA));
  for (let n = 0; n < 80; n++) {
    const a = Math.exp(logA);
    const [value, slope] = moment(patterns, a, K, logO);
    if (value > goal) low = Math.max(low, logA);
    else high = Math.min(high, logA);
    let next = logA - Math.log(value / goal) / ((a * slope) / value);
    if (!(next >= low && next <= high)) next = (low + high) / 2;
    const step = Math.abs(next - logA);
    logA = next;
    if (!(step > 1e-7)) break; // what is left is less than the square of it
  }
  if (Number.isFinite(logA)) last = { logA, logO };
  return Math.exp(logA);
}

/** The lambda_W lambda_H at which a is optimal. */
export function productOf(patterns, a, threshold, K, loss = 'cross-entropy') {
  if (!(a > 0)) return threshold;
  if (loss === 'squared-error') return threshold / (1 + a) ** 2;
  return moment(patterns, a, K, new Float64Array(patterns.n).fill(Infinity))[0] / (K - 1);
}
