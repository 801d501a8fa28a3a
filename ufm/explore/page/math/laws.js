// Label laws: the threshold sigma^2 of each, its labels as weighted patterns, and the label that the slider shows.
//
// A pattern is values on 1, 1, .. and K - r classes placed at random; smoothing delta: (1-delta) y + delta/K.

import { betaRule, cutmixRule, edgeGauss, evenGauss, folded, mirrored } from './rules.js';

/** Laws of a mixing weight lam, which have an alpha. */
export const MIXING = ['mixup', 'cutmix', 'kway'];

const kept = new Map();

/** A rule that takes some work, made once for its numbers. */
function once(key, make) {
  if (!kept.has(key)) {
    if (kept.size > 200) kept.clear();
    kept.set(key, make());
  }
  return kept.get(key);
}

/** sigma^2 = (E|y|^2 - 1/K)/(K - 1): at this lambda_W lambda_H and above it the joint optimum is zero. */
export function threshold(law, K) {
  const spread = (1 - law.smoothing) ** 2;
  if (law.name === 'onehot') return spread / K;
  if (law.name === 'mixup') return (spread * (law.alpha + 1)) / ((2 * law.alpha + 1) * K);
  if (law.name === 'kway') return (spread * (law.alpha + 1)) / ((law.ways * law.alpha + 1) * K);
  if (law.name === 'cutmix') return (spread * (1 - cutmixMixing(law.alpha))) / K;
  const own = ownValues(law.own, K);
  let sum = 0;
  for (let k = 0; k < own.values.length; k++) sum += own.counts[k] * (own.values[k] - 1 / K) ** 2;
  return (spread * sum) / (K - 1);
}

/** E[2 lam (1 - lam)] of CutMix: 1 - lam = s v, and a share u of one axis has E u = 1 - w/4, E u^2 = 1 - 5w/12. */
function cutmixMixing(alpha) {
  return once(`moment ${alpha}`, () => {
    const { colam, weight } = betaRule(alpha, alpha);
    let sum = 0;
    for (let n = 0; n < weight.length; n++) {
      const s = colam[n];
      const w = Math.sqrt(s);
      sum += 2 * weight[n] * (s * (1 - w / 4) ** 2 - s * s * (1 - (5 * w) / 12) ** 2);
    }
    return sum;
  });
}

/** An own label of a few entries as values and counts: the classes that are not named have none. */
function ownValues(own, K) {
  const values = own.slice(0, K);
  const counts = values.map(() => 1);
  if (values.length < K) {
    values.push(0);
    counts.push(K - own.length);
  }
  return { values, counts };
}

/**
 * The law as n patterns of r values, {r, n, values (n r), counts (n r), weight (n)}.
 * Mixup is symmetric about 1/2 and folded.
 */
export function patterns(law, K) {
  if (law.name !== 'kway') return made(law, K);
  return once(`patterns ${[K, law.alpha, law.ways, law.smoothing]}`, () => made(law, K));
}

function made(law, K) {
  if (law.name === 'onehot') return smoothed([single(K, 1)], law.smoothing, K);
  if (law.name === 'kway' && law.ways > 2) return smoothed(threeWays(law.alpha, K), law.smoothing, K);
  if (law.name === 'own') {
    const { values, counts } = ownValues(law.own, K);
    return smoothed([{ values: [values], counts, weight: [1] }], law.smoothing, K);
  }
  const fine = K <= 30 ? 1 : 1 + 0.5 * Math.ceil(Math.log10(K / 30));
  const rule = once(`${law.name} ${law.alpha} ${fine}`, () =>
    law.name === 'cutmix' ? cutmixRule(law.alpha, fine) : folded(betaRule(law.alpha, law.alpha, fine)),
  );
  const mixed = {
    values: [...rule.lam.keys()].map((n) => [rule.lam[n], rule.colam[n], 0]),
    counts: [1, 1, K - 2],
    weight: [...rule.weight].map((w) => w * (1 - 1 / K)),
  };
  return smoothed([single(K, 1 / K), mixed], law.smoothing, K);
}

function single(K, weight) {
  return { values: [[1, 0]], counts: [1, K - 1], weight: [weight] };
}

/** Three classes with replacement: all the same, two the same, all different. */
function threeWays(alpha, K) {
  const nodes = 96;
  const two = once(`stick 2 ${alpha}`, () => edgeGauss(betaRule(2 * alpha, alpha), nodes));
  const first = mirrored(two); // Beta(alpha, 2 alpha)
  const second = once(`stick 3 ${alpha}`, () => evenGauss(betaRule(alpha, alpha), nodes / 2));
  const found = [single(K, 1 / (K * K))];
  found.push({
    values: [...two.lam.keys()].map((n) => [two.lam[n], two.colam[n], 0]),
    counts: [1, 1, K - 2],
    weight: [...two.weight].map((w) => (w * 3 * (K - 1)) / (K * K)),
  });
  if (K < 3) return found;
  const [values, weight] = [[], []];
  for (let n = 0; n < first.weight.length; n++) {
    for (let k = 0; k < second.weight.length; k++) {
      values.push([first.lam[n], first.colam[n] * second.lam[k], first.colam[n] * second.colam[k], 0]);
      weight.push((first.weight[n] * second.weight[k] * (K - 1) * (K - 2)) / (K * K));
    }
  }
  found.push({ values, counts: [1, 1, 1, K - 3], weight });
  return found;
}

/** Groups of patterns in one typed table, smoothed; absent values have no classes. */
function smoothed(groups, delta, K) {
  const r = Math.max(...groups.map((group) => group.counts.length));
  const n = groups.reduce((sum, group) => sum + group.values.length, 0);
  const found = {
    r,
    n,
    values: new Float64Array(n * r),
    counts: new Float64Array(n * r),
    weight: new Float64Array(n),
  };
  let row = 0;
  for (const { values, counts, weight } of groups) {
    for (let m = 0; m < values.length; m++, row++) {
      found.weight[row] = weight[m];
      for (let k = 0; k < counts.length; k++) {
        found.values[row * r + k] = (1 - delta) * values[m][k] + delta / K;
        found.counts[row * r + k] = counts[k];
      }
    }
  }
  return found;
}

/**
 * The label that lam picks: lam e_1 + (1-lam) q, q = e_2, or the even mixture of the other classes of a k-way
 * label, or a label of one's own; smoothed. Slots: values with their counts; the last is of the other classes.
 */
export function shownLabel(law, K, lam, colam = 1 - lam) {
  const keep = 1 - law.smoothing;
  const floor = law.smoothing / K;
  const smooth = (values) => values.map((v) => keep * v + floor);
  if (law.name === 'own') {
    const { values, counts } = ownValues(law.own, K);
    const mixed = values.map((v, k) => colam * v + (k === 0 ? lam : 0));
    return { values: smooth(mixed), counts };
  }
  const others = law.name === 'kway' ? Math.min(law.ways, K) - 1 : 1;
  if (others === 1) {
    return { values: smooth([lam, colam, 0]), counts: [1, 1, K - 2], apart: keep * (2 * lam - 1) };
  }
  return { values: smooth([lam, colam / others, 0]), counts: [1, others, K - 1 - others] };
}
