// Blind descent on one feature from zero: it knows the loss and its derivatives, nothing of the closed form.
//
// With W a simplex ETF, W W' = g (I - 11'/K), a step h - t (W'(p - y) + lambda_H h) moves the logits z = W h by
// z - t lambda_H (a (p - y) + z): the same numbers, at a cost that K and d do not enter.

import { EPS } from './optimum.js';

/** Where a descent starts: z = 0. */
export function start(label) {
  return { z: label.values.map(() => 0) };
}

function softmax(z, counts) {
  const top = Math.max(...z.filter((_, k) => counts[k] > 0));
  const e = z.map((t) => Math.exp(t - top));
  const total = e.reduce((sum, t, k) => sum + counts[k] * t, 0);
  return e.map((t) => t / total);
}

/** The gradient over lambda_H, in logits: a (p - y) + z, and p. */
export function gradient(z, label, a, loss) {
  const { values, counts } = label;
  const K = counts.reduce((sum, n) => sum + n, 0);
  if (loss === 'squared-error') return { g: z.map((t, k) => a * (t - (values[k] - 1 / K)) + t), p: z };
  const p = softmax(z, counts);
  return { g: z.map((t, k) => a * (p[k] - values[k]) + t), p };
}

/** sqrt(sum n v^2). */
export function length(v, counts) {
  return Math.sqrt(v.reduce((sum, t, k) => sum + counts[k] * t * t, 0));
}

/** A step of gradient descent; its length is one over the largest curvature, 1 + a/2 (squared error: 1 + a). */
export function gradientStep(at, label, a, loss) {
  const { g } = gradient(at.z, label, a, loss);
  const t = 1 / (1 + (loss === 'squared-error' ? a : a / 2));
  return { z: at.z.map((v, k) => v - t * g[k]) };
}

/** A Newton step (I + a S) dz = -g, halved until the loss falls as it should. */
export function newtonStep(at, label, a, loss) {
  const { counts } = label;
  const { g, p } = gradient(at.z, label, a, loss);
  let dz = g.map((v) => -v / (1 + a));
  if (loss !== 'squared-error') {
    // dz_k = (-g_k + a p_k u)/(1 + a p_k), u = sum n p dz
    const over = g.map((v, k) => v / (1 + a * p[k]));
    const above = over.reduce((sum, v, k) => sum - counts[k] * p[k] * v, 0);
    const below = p.reduce((sum, v, k) => sum + (counts[k] * v) / (1 + a * v), 0);
    dz = over.map((v, k) => -v + (a * p[k] * (above / below)) / (1 + a * p[k]));
  }
  const slope = g.reduce((sum, v, k) => sum + counts[k] * v * dz[k], 0);
  const here = objective(at.z, label, a, loss);
  for (let t = 1; t > 1e-6; t /= 2) {
    const z = at.z.map((v, k) => v + t * dz[k]);
    const lower = objective(z, label, a, loss);
    if (lower <= here + 1e-4 * t * slope + 8 * EPS * Math.abs(here)) return { z };
  }
  return { z: at.z };
}

/** a times the loss, and |z|^2/2: the objective over lambda_H, up to the feature's part that no logit sees. */
function objective(z, label, a, loss) {
  const { values, counts } = label;
  const square = z.reduce((sum, t, k) => sum + counts[k] * t * t, 0) / 2;
  if (loss === 'squared-error') {
    const K = counts.reduce((sum, n) => sum + n, 0);
    return (a / 2) * z.reduce((sum, t, k) => sum + counts[k] * (t - values[k] + 1 / K) ** 2, 0) + square;
  }
  const top = Math.max(...z.filter((_, k) => counts[k] > 0));
  const total = z.reduce((sum, t, k) => sum + counts[k] * Math.exp(t - top), 0);
  const fit = z.reduce((sum, t, k) => sum - counts[k] * values[k] * (t - top), Math.log(total));
  return a * fit + square;
}

/**
 * A bound on |z - z*|, by strong convexity: the loss curves at least as the penalty does, so that the gradient over
 * lambda_H is at least the distance. Rounding: a p is off by eps (8 + r + 2 max |z|) of itself, sums by less.
 */
export function distanceBound(at, label, a, loss) {
  const { values, counts } = label;
  const { g, p } = gradient(at.z, label, a, loss);
  const most = Math.max(...at.z.map(Math.abs));
  const unit = EPS * (8 + values.length + 2 * most);
  const terms = at.z.map((t, k) => a * (Math.abs(p[k]) + values[k]) + Math.abs(t));
  return length(g, counts) + unit * length(terms, counts);
}
