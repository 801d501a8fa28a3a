// What each theorem says at these parameters: its name and statement come from the package, whether its hypotheses
// hold is found here.

import { escape, rich, say } from '../figures/format.js';

const held = null;
const mixed = (v) => ['mixup', 'cutmix'].includes(v.law.name) && v.law.smoothing === 0;
const single = (v) => v.law.name === 'onehot';
const bias = (v) => (v.loss === 'squared-error' ? 'free' : 'none');
const share = (v) => Math.sqrt(v.K * v.c2);

/** Hypotheses by their words: null where one holds, else what is wrong. */
export const HYPOTHESES = {
  '$W$ is a simplex ETF': () => held,
  '$W \\ne 0$': (v) => (v.zero ? 'the classifier is zero' : held),
  'cross-entropy': (v) => (v.loss === 'cross-entropy' ? held : 'the loss is squared error'),
  'squared error': (v) => (v.loss === 'squared-error' ? held : 'the loss is cross-entropy'),
  '$y = \\lambda e_i + (1-\\lambda) e_j$, $i \\ne j$, $0 \\le \\lambda \\le 1$': (v) =>
    mixed(v) ? held : 'the labels are not mixtures of two classes',
  '$K \\ge 3$': (v) => (v.K > 2 ? held : 'K = 2 leaves no third class'),
  '$K \\ge 4$': (v) => (v.K > 3 ? held : `K = ${v.K}: two dimensions are enough for a simplex`),
  'a given label a class, which rates all wrong classes alike; classes as likely': () =>
    'the labels are not those of a teacher',
  '$K = 2$': (v) => (v.K === 2 ? held : `K = ${v.K}, not 2`),
  '$0 < \\lambda < 1$': (v) => (v.state.lam > 0 && v.state.lam < 1 ? held : 'λ lies at an end'),
  '$a < 2$': (v) => (v.a < 2 ? held : `a = ${say(v.a)} is not below 2: the bound says nothing`),
  '$e^{2a} < 2K + 1$': (v) =>
    v.a < 0.5 * Math.log1p(2 * v.K) ? held : `e²ᵃ is not below 2K + 1 = ${2 * v.K + 1}`,
  '$a\\,\\min_{y_k>0}y_k \\ge 2\\log(aK)$, $aK \\ge e$': sharpEnough,
  '$\\lambda_W, \\lambda_H > 0$': () => held,
  '$\\lambda_W, \\lambda_H, \\rho > 0$': () => held,
  '$\\lambda_W, \\lambda_H > 0$, alike for all targets': () => held,
  'real targets': () => 'the targets are labels, not real numbers',
  'no bias, or a free one': () => held, // the page has no other
  '$d \\ge \\mathrm{rank}(\\Sigma^{1/2} - c)_+$': () => held,
  'binary cross-entropy': () => 'the loss is not one class against the rest',
  'one-hot labels with temperatures $\\delta_k = \\rho_k^{-1/2}$ of this kind': () =>
    'no class has a temperature of its own',
  'labels $\\mathbf 1_S/r$ with $\\rho \\propto 1/r$, all sets of a size $r = |S|$ as likely': () =>
    'labels are no sets of classes with penalties of their own',
  'classes in groups of as many, left as they are by permutations of the groups and within each': () =>
    'no label names a group of classes',
  'the shift $k \\to k+1$ of all classes leaves the label law as it is': () =>
    'the label law has no order of classes',
  'the label law is exchangeable': () => held,
  '$d \\ge K-1$': () => held, // the page has no other
  '$d \\ge K-1$ where $\\lambda_W\\lambda_H < (1-\\delta)^2\\rho\\,q_B$': () => held,
  '$d \\ge K$': (v) => (v.d >= v.K ? held : `d = ${v.d} is below K`),
  '$d = 2$': (v) => (v.d === 2 ? held : `d = ${v.d}, not 2`),
  'no bias': (v) => (bias(v) === 'none' ? held : 'squared error is shown with a free bias'),
  'free bias': (v) => (bias(v) === 'free' ? held : 'there is no bias'),
  'a bias, free or penalised': (v) => (bias(v) === 'free' ? held : 'there is no bias'),
  'labels $e_k$': (v) => (single(v) && v.law.smoothing === 0 ? held : 'the labels are not one-hot'),
  'labels $e_k$, classes as likely': (v) =>
    single(v) && v.law.smoothing === 0 ? held : 'the labels are not one-hot',
  'labels $(1-\\varepsilon)e_k + \\varepsilon/K$, classes as likely': (v) =>
    single(v) ? held : 'the labels are not those of single classes',
  'mixup or CutMix of classes drawn independently, or one-hot; some of equal weight': () =>
    'all classes are as likely here: this is the joint theorem',
  'mixup of cyclic pairs $(i, i+1)$, $K \\ge 4$': () => 'the law mixes all pairs',
  'one label a class, $y_k = \\mathrm{softmax}(z_k) + \\frac{c}{\\sqrt{q_k}}u_k$ of some $G \\succeq 0$':
    designed,
  'labels $(1-\\varepsilon_k)e_k + \\varepsilon_k/K$ of weights $q_k$, with these $\\varepsilon_k$': designed,
  '$Y = Y^\\top$, one label a class, classes as likely, left as it is by a transitive group; $Y - \\hat c\\,\\Pi > 0$, $\\Pi\\log(Y - \\hat c\\,\\Pi)\\Pi \\succeq 0$':
    designed,
  'labels $(1-\\varepsilon-\\delta)e_k + \\frac{\\varepsilon}{m}1_{\\mathrm{group}} + \\frac{\\delta}{K}$, $\\varepsilon+\\delta \\le 1$, classes as likely':
    () => 'no label names a group of classes',
  '$\\lambda_W\\lambda_H < (\\mathbb{E}\\|y\\|^2 - \\frac1K)/(K-1)$': (v) =>
    v.c2 < v.sigma2 ? held : 'λ_W λ_H is at or above its threshold',
  '$2Kd \\le 1200$': (v) =>
    2 * v.K * v.d <= 1200 ? held : `2Kd = ${2 * v.K * v.d} unknowns are too many to check`,
};

function sharpEnough(v) {
  if (v.zero) return held; // another hypothesis' to say
  if (v.a * v.K < Math.E) return `aK = ${say(v.a * v.K, 3)} is below e`;
  const least = [1, 0.5, 0.2, 0.2, 0.25]
    .filter((_, n) => [1, 2, 2, 3, 4][n] < v.K)
    .reduce((one, other) => Math.min(one, other));
  return v.a * least >= 2 * Math.log(v.a * v.K)
    ? held
    : `a = ${say(v.a)} is not sharp enough for shares of ${least}`;
}

function designed(v) {
  if (!single(v)) return 'classes are mixed: there are more labels than classes';
  return share(v) + v.law.smoothing < 1 ? held : 'the penalties are too strong for these labels';
}

/** A hypothesis that came after this page: better no word on the theorem than a wrong one. */
const unknown = () => 'a hypothesis of it cannot be checked here';

/** Every theorem with what is wrong, or null. */
export function judged(theorems, view) {
  return theorems.map((theorem) => {
    const broken = theorem.assumptions
      .map(({ latex }) => (HYPOTHESES[latex] ?? unknown)(view))
      .find((words) => words);
    return { ...theorem, broken: broken ?? null };
  });
}

/** The list of theorems as judged; open: names whose statements are unfolded. */
export function theoremList(found, view, open) {
  const inside = found.filter((one) => one.broken === null);
  const outside = found.filter((one) => one.broken !== null);
  const given = view.state.classifier === 'given';
  const part = (list, free) => list.filter((one) => one.free === free);
  const head = (words, list) =>
    list.length
      ? `<h3>${rich(words)} (${list.length})</h3><ul ` +
        `class="theorems">${list.map((one) => entry(one, open)).join('')}</ul>`
      : '';
  const when = given ? ', at the λ_W for which this W is one' : '';
  return (
    `<p>${inside.length} of ${found.length} theorems apply. Unfold one to read what it says.</p>` +
    head('Apply: of features against this W', part(inside, false)) +
    head(`Apply: of the joint optimum${when}`, part(inside, true)) +
    head('Out of hypothesis', outside)
  );
}

function entry(theorem, open) {
  const given = theorem.assumptions.map(({ mathml }) => mathml).join('; ');
  const mark =
    theorem.broken === null
      ? '<span class="in">applies</span>'
      : `<span class="out">${rich(theorem.broken)}</span>`;
  return (
    `<li><details data-theorem="${theorem.name}"${open.has(theorem.name) ? ' open' : ''}>` +
    `<summary><span class="name">${rich(theorem.title)}</span> ${mark}</summary>` +
    `<div class="formula" tabindex="0" role="group" aria-label="formula of ` +
    `${escape(theorem.name)}">${theorem.mathml}</div>` +
    `<p class="small"><code>${theorem.name}</code>. Hypotheses: ${given}.</p></details></li>`
  );
}
