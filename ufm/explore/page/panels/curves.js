// What the optimum is along lam: coefficients, displacement across the channel, probabilities, calibration.

import { say } from '../figures/format.js';
import { span } from '../figures/svg.js';

const LAM = { low: 0, high: 1, label: 'λ' };
const named = (view) => {
  if (view.law.name === 'own')
    return view.law.own.map((_, k) => String(k + 1)).concat(view.K > view.law.own.length ? ['others'] : []);
  return view.label.counts[1] > 1 ? ['1', '2 and 3', 'others'] : ['1', '2', 'others'];
};
const COLOURS = ['blue', 'orange', 'green', 'pink', 'sky', 'grey'];

/** Slots that are drawn, at most four, and the last one for the other classes. */
function slots(view) {
  const last = view.label.values.length - 1;
  const some = view.label.values.map((_, k) => k).filter((k) => k < 4 || k === last);
  return some.filter((k) => view.label.counts[k] > 0);
}

function marker(view, y) {
  return { kind: 'points', points: [[view.state.lam, y]], shape: 'ring', size: 5, colour: 'ink' };
}

const upright = (view, y) => ({
  kind: 'line',
  points: [
    [view.state.lam, y.low],
    [view.state.lam, y.high],
  ],
  colour: 'grey',
  wide: 1,
});

export function coefficientFigure(view) {
  const names = named(view);
  const some = slots(view).filter((k) => k === 0 || names[k] !== 'others');
  const lines = some.map((k, n) => ({
    kind: 'line',
    points: view.curve.map((point) => [point.lam, point.coef[k]]),
    colour: COLOURS[n % 6],
    label: `of ${rows(names[k])}`,
    at: [0.7, 0.3, 0.45, 0.6, 0.75][n],
  }));
  const y = { ...span(lines.flatMap((one) => one.points.map((p) => p[1]))), label: 'coefficient in h' };
  const chords = some.slice(0, 2).map((k) => ({
    kind: 'line',
    points: [view.curve[0], view.curve[view.curve.length - 1]].map((point) => [point.lam, point.coef[k]]),
    colour: 'grey',
    dash: '5 4',
    wide: 1.2,
  }));
  const marks = some.map((k) => marker(view, view.coef[k]));
  const said = some.map((k) => `${say(view.coef[k])} ${rows(names[k])}`).join(' + ');
  const more = names.filter((name) => name !== 'others').length > some.length ? ' + more' : '';
  const caption = view.zero
    ? 'W = 0: all coefficients are zero.'
    : `At λ = ${say(view.state.lam)}: h = ${said}${more}. Dashed: what a convex combination of the ends would have.`;
  return {
    id: 'coefficients',
    title: 'Coefficients against λ',
    x: LAM,
    y,
    items: [upright(view, y), ...chords, ...lines, ...marks],
    caption,
    drag: true,
  };
}

/** Rows of the classes of a name. */
function rows(name) {
  if (name === '2 and 3') return '(w₂ + w₃)';
  return /^\d$/.test(name) ? `w${'₀₁₂₃₄₅₆₇₈₉'[name]}` : `w ${name}`;
}

export function displacementFigure(view) {
  const { g, state } = view;
  const scale = view.zero ? 0 : 1 / Math.sqrt(2 * g);
  const inside = view.curve.filter(({ lam, colam }) => lam > 0 && colam > 0);
  const reach = Math.min(12, Math.max(4, Math.log1p(view.a)));
  const logit = ({ lam, colam }) => Math.log(lam) - Math.log(colam);
  const seen = inside.filter((point) => Math.abs(logit(point)) <= reach);
  const across = (at) => (at.z[0] - at.z[1]) * scale;
  const optimum = seen.map((point) => [logit(point), across(point.at)]);
  // of z_1 - z_2 as a grows, g fixed: the logits of the label, under squared error the label itself
  const squared = view.loss === 'squared-error';
  const far = ({ values: [one, other] }) => scale * (squared ? one - other : Math.log(one / other));
  const limit = seen
    .map((point) => [logit(point), far(point.label)])
    .filter(([, v]) => Number.isFinite(v));
  const y = {
    ...span(
      optimum.map((p) => p[1]),
      0.25,
    ),
    label: 'h across the channel',
  };
  const here = { lam: state.lam, colam: 1 - state.lam };
  const items = [
    { kind: 'line', points: limit, colour: 'grey', dash: '5 4', wide: 1.5 },
    {
      kind: 'line',
      points: optimum,
      colour: 'blue',
      wide: 2.5,
      label: 'the optimum',
      at: 0.3,
      shift: [-14, -8],
    },
  ];
  if (!view.zero)
    items.push({
      kind: 'text',
      at: [0.97 * reach, y.low + 0.07 * (y.high - y.low)],
      text: 'dashed: limit as λ_H → 0',
      colour: 'soft',
      anchor: 'end',
    });
  const spot = logit(here);
  if (Math.abs(spot) <= reach)
    items.push({ kind: 'points', points: [[spot, across(view.at)]], shape: 'ring', size: 5, colour: 'ink' });
  const why = squared
    ? 'The limit is y₁ − y₂ over √(2g), g = m² K/(K − 1): straight in λ, so it bends here.'
    : 'The limit is log(y₁/y₂) over √(2g), g = m² K/(K − 1): it goes with the logarithm of the odds.';
  const caption = view.zero
    ? 'W = 0: nothing is displaced.'
    : `Along w₁ − w₂ the feature at λ = ${say(state.lam)} lies at ${say(across(view.at))}; the limit ` +
      `there is ${say(far(view.label))}. ${why}`;
  const x = { low: -reach, high: reach, label: 'logit λ = log λ − log(1 − λ)' };
  return {
    id: 'displacement',
    title: 'Displacement across the channel',
    x,
    y,
    items,
    caption,
    drag: true,
  };
}

export function probabilityFigure(view) {
  const names = named(view);
  const some = slots(view);
  const count = (k) => (names[k] === 'others' || view.label.counts[k] > 1 ? view.label.counts[k] : 1);
  const lines = some.map((k, n) => ({
    kind: 'line',
    points: view.curve.map((point) => [point.lam, count(k) * point.at.p[k]]),
    colour: COLOURS[n % 6],
    label: names[k] === 'others' ? 'all others' : `class ${names[k]}`,
    at: [0.75, 0.25, 0.5, 0.4, 0.6][n],
  }));
  const squared = view.loss === 'squared-error';
  const y = squared
    ? { ...span(lines.flatMap((one) => one.points.map((p) => p[1]))), label: 'fitted value' }
    : { low: -0.02, high: 1.05, label: 'probability' };
  const labels = some.slice(0, 2).map((k) => ({
    kind: 'line',
    points: view.curve.map((point) => [point.lam, count(k) * point.label.values[k]]),
    colour: 'grey',
    dash: '5 4',
    wide: 1.2,
  }));
  const marks = some.map((k) => marker(view, count(k) * view.at.p[k]));
  const rest =
    names[some[some.length - 1]] === 'others'
      ? `, each other class ${say(view.at.p[some[some.length - 1]])}`
      : '';
  const caption =
    `At λ = ${say(view.state.lam)}: p₁ = ${say(view.at.p[0])} where the label says ` +
    `${say(view.label.values[0])}${rest}. Dashed: the label itself.`;
  return {
    id: 'probabilities',
    title: squared ? 'Fitted values' : 'Probabilities',
    x: LAM,
    y,
    items: [upright(view, y), ...labels, ...lines, ...marks],
    caption,
    drag: true,
  };
}

export function calibrationFigure(view) {
  const points = view.curve.map((point) => [point.label.values[0], point.at.r[0]]);
  const y = { ...span(points.map((p) => p[1]).concat(0), 0.1), label: 'label − probability' };
  const items = [
    {
      kind: 'line',
      points: [
        [0, 0],
        [1, 0],
      ],
      colour: 'grey',
      dash: '5 4',
      wide: 1.2,
      label: 'calibrated',
      at: 'end',
      anchor: 'end',
    },
    { kind: 'line', points, colour: 'blue', wide: 2.5, label: 'class 1', at: 0.75 },
    { kind: 'points', points: [[view.label.values[0], view.at.r[0]]], shape: 'ring', size: 5, colour: 'ink' },
  ];
  const deficit = view.at.r[0];
  const caption = view.zero
    ? 'W = 0 says 1/K of every input.'
    : `The optimum is ${deficit >= 0 ? 'less' : 'more'} sure of class 1 than its label by ` +
      `${say(Math.abs(deficit), 3)}: y − p = z/a, here with a = ${say(view.a)}.`;
  return {
    id: 'calibration',
    title: 'Calibration: what confidence lacks',
    x: { low: 0, high: 1, label: 'share of class 1 in the label' },
    y,
    items,
    caption,
    drag: true,
  };
}
