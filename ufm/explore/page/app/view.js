// All numbers of a state, once: what the panels draw.

import { labelOptimum, sameClass, sharpness } from '../math/optimum.js';
import { patterns, shownLabel, threshold } from '../math/laws.js';
import { jointSharpness, productOf } from '../math/joint.js';

/** The law of a state in the words of `math/laws.js`. */
function lawOf(state) {
  const { law: name, alpha, ways, smoothing, own } = state;
  return { name, alpha, ways, smoothing, own: own.slice(0, state.K) };
}

/**
 * a, g and m of the classifier, the threshold of lambda_W lambda_H, that product where this W is optimal, the
 * optimum of the label shown, and the curves over lam.
 */
export function viewOf(state) {
  const base = baseOf(state);
  const label = shownLabel(base.law, base.K, state.lam);
  const at = labelOptimum(label, base.a, base.loss);
  return { ...base, state, label, at, coef: coefficients(at, label, base.g) };
}

let last = { key: '', base: null };

/** What does not move with lam. */
function baseOf(state) {
  const { K, lh, loss, classifier, lw, m: given } = state;
  const law = lawOf(state);
  const key = JSON.stringify([K, law, lh, loss, classifier, lw, given, state.d]);
  if (key === last.key) return last.base;
  const sigma2 = threshold(law, K);
  const rule = patterns(law, K);
  const best = classifier === 'best';
  const a = best ? jointSharpness(rule, lw * lh, sigma2, K, loss) : sharpness(K, given, lh);
  const c2 = best ? lw * lh : productOf(rule, a, sigma2, K, loss);
  const m = best ? Math.sqrt((a * (K - 1) * lh) / K) : given;
  const base = { law, K, loss, sigma2, rule, a, c2, m, g: a * lh, d: state.d ?? K, zero: !(a > 0) };
  base.same = sameClass(a, K, loss);
  base.curve = curveOf(base);
  last = { key, base };
  return base;
}

/** Coefficients of h = sum coef_k w_k: from the other classes' logit where there is one and it is the least. */
export function coefficients(at, label, g) {
  const last = label.values.length - 1;
  const base = label.counts[last] > 0 ? at.z[last] : 0;
  return at.z.map((z) => (g > 0 ? (z - base) / g : 0));
}

/** Optima along lam: even steps in lam, and in logit lam for the edges. */
export function curveOf(view, law = view.law) {
  return weights(view.a).map(([lam, colam]) => {
    const label = shownLabel(law, view.K, lam, colam);
    const at = labelOptimum(label, view.a, view.loss);
    return { lam, colam, label, at, coef: coefficients(at, label, view.g) };
  });
}

function weights(a) {
  const found = [];
  for (let n = 1; n < 50; n++) found.push([n / 50, (50 - n) / 50]);
  const reach = Math.min(40, Math.log1p(a) + 4);
  for (let t = -reach; t <= reach; t += reach / 40) found.push([1 / (1 + Math.exp(-t)), 1 / (1 + Math.exp(t))]);
  found.sort((one, other) => one[0] - other[0] || other[1] - one[1]);
  return [[0, 1], ...found, [1, 0]];
}

/** The plane of three classes: q_k . q_l = 1/1 - 1/3, first class up. */
const CORNERS = [90, 210, 330].map((angle) => {
  const t = (angle * Math.PI) / 180;
  return [Math.sqrt(2 / 3) * Math.cos(t), Math.sqrt(2 / 3) * Math.sin(t)];
});

/** Logits of three classes as a point of the plane of their centred rows; W W' = g (I - 11'/K). */
export function plane(z, g) {
  const scale = g > 0 ? 1 / Math.sqrt(g) : 0;
  return [0, 1].map((axis) => scale * z.reduce((sum, v, k) => sum + v * CORNERS[k][axis], 0));
}

/** Logits of `count` classes, those of a label's slots taken in this order of classes. */
export function placed(at, label, order) {
  const z = new Array(order.length).fill(at.z[at.z.length - 1]);
  let place = 0;
  label.counts.forEach((n, slot) => {
    for (let k = 0; k < n && place < order.length; k++) z[order[place++]] = at.z[slot];
  });
  return z;
}
