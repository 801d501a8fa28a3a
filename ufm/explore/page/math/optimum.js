// The optimum of one label against a simplex ETF, in double precision: stationarity is z = a (y - p).
//
// Measured from an imaginary class whose label is 0, of probability o/a, a logit x_k and its label y_k obey
//     x_k + o (exp(x_k) - 1) = a y_k,     sum_k x_k = K o,     z_k = x_k - o,     p_k = o exp(x_k) / a,
// so that nothing cancels for any a. A label is values v_1..v_r, each of counts n_1..n_r classes.

export const EPS = 2 ** -52;

/** The root x >= 0 of x + o (e^x - 1) = b, o > 0: convex, so Newton falls to it from an upper bound. */
export function excess(o, b) {
  if (!(b > 0)) return 0;
  let x = Math.min(b / (1 + o), Math.log1p(b / o));
  for (let n = 0; n < 60; n++) {
    const rise = o * Math.expm1(x);
    const step = (x + rise - b) / (1 + o + rise);
    x -= step;
    if (!(step > 1e-8 * x)) break; // what is left is the square of it
  }
  return x;
}

/** An upper bound of log o: o <= a/K, and by Jensen's inequality over the s classes whose label is positive. */
export function mostReference(a, K, support) {
  return Math.log(Math.min(a / K, (support / K) * Math.max(1, Math.log1p((a * K) / (support * support)))));
}

/** log o of a label: Newton on a concave decreasing function of log o, from an upper bound. */
function reference(values, counts, a, K) {
  let support = 0;
  for (let k = 0; k < values.length; k++) if (values[k] > 0) support += counts[k];
  const most = mostReference(a, K, support);
  let logO = most;
  for (let n = 0; n < 80; n++) {
    const o = Math.exp(logO);
    let gap = -K * o;
    let slope = -K * o;
    for (let k = 0; k < values.length; k++) {
      if (!(values[k] > 0) || counts[k] === 0) continue;
      const x = excess(o, a * values[k]);
      const rise = o * Math.expm1(x);
      gap += counts[k] * x;
      slope -= (counts[k] * rise) / (1 + o + rise);
    }
    const next = Math.min(logO - gap / slope, most);
    const step = next - logO;
    logO = next;
    if (!(Math.abs(step) > 1e-8)) break;
  }
  return logO;
}

/** D of two classes: D + a tanh(D/2) = a t, t = y_1 - y_2; concave for t > 0, so Newton rises to it from zero. */
function twoClassGap(t, a) {
  const goal = a * Math.abs(t);
  let D = 0;
  for (let n = 0; n < 200; n++) {
    const h = Math.tanh(D / 2);
    const step = (goal - D - a * h) / (1 + (a / 2) * (1 - h * h));
    D += step;
    if (!(Math.abs(step) > 1e-9 * D)) break;
  }
  return t < 0 ? -D : D;
}

/**
 * The optimal logits of a label {values, counts, apart}, apart = v_1 - v_2 where it is known better than that.
 * Returns z (sum zero), p (squared error: fitted values z + 1/K), r = y - p, and K.
 */
export function labelOptimum(label, a, loss = 'cross-entropy') {
  const { values, counts } = label;
  const K = counts.reduce((sum, n) => sum + n, 0);
  if (!(a > 0)) return flat(values, K);
  if (loss === 'squared-error') return affine(label, a, K);
  const o = Math.exp(reference(values, counts, a, K));
  const x = values.map((v) => excess(o, a * v));
  const p = x.map((t) => (o * Math.exp(t)) / a);
  const z = x.map((t) => t - o);
  if (K === 2 && counts[0] === 1 && counts[1] === 1 && Math.abs(x[0] - x[1]) < 1) {
    // near lam = 1/2 the difference of two roots would lose digits that its own equation keeps
    const D = twoClassGap(label.apart ?? values[0] - values[1], a);
    [z[0], z[1]] = [D / 2, -D / 2];
  }
  return { z, p, r: residual(z, p, values, a), K };
}

/** y - p without the cancellation of either form. */
function residual(z, p, values, a) {
  return a >= 1 ? z.map((t) => t / a) : values.map((v, k) => v - p[k]);
}

function flat(values, K) {
  const p = values.map(() => 1 / K);
  return { z: values.map(() => 0), p, r: values.map((v) => v - 1 / K), K };
}

function affine({ values, counts, apart }, a, K) {
  const share = a > 1 ? 1 / (1 + 1 / a) : a / (1 + a);
  const z = values.map((v) => share * (v - 1 / K));
  if (K === 2 && counts[0] === 1 && apart !== undefined)
    [z[0], z[1]] = [(share * apart) / 2, (-share * apart) / 2];
  return { z, p: z.map((t) => t + 1 / K), r: values.map((v) => (v - 1 / K) / (1 + a)), K };
}

/** x of a label of one class: x (e^x + K - 1) = a K. */
export function sameClass(a, K, loss = 'cross-entropy') {
  const { z } = labelOptimum({ values: [1, 0], counts: [1, K - 1] }, a, loss);
  return z[0] - z[1];
}

/** a of a simplex ETF of row norm m. */
export function sharpness(K, m, lambdaH) {
  return (m * m * K) / ((K - 1) * lambdaH);
}
