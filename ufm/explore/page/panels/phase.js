// The phase diagram: below the threshold a simplex ETF, above it W = 0; where this problem lies.

import { MIXING, patterns, threshold } from '../math/laws.js';
import { productOf } from '../math/joint.js';
import { say } from '../figures/format.js';

const LEVELS = [10, 100, 1000, 1e4, 1e5, 1e6];
const TALL = 244; // pixels of a panel's height, by which words keep off lines
const [OVER, UNDER] = [-12, 13]; // from a line to the middle of words over it, or under it
let kept = { key: '', lines: [] };

/** Which parameter runs along the axis: alpha where labels are mixed, else the smoothing. */
export function phaseAxis(view) {
  return MIXING.includes(view.law.name) ? 'alpha' : 'smoothing';
}

function settings(name) {
  const found = [];
  if (name === 'alpha') for (let n = 0; n <= 40; n++) found.push(10 ** (-2 + n / 10));
  else for (let n = 0; n <= 38; n++) found.push(n / 40);
  return found;
}

export function phaseFigure(view) {
  const { K, law, sigma2, c2 } = view;
  const name = phaseAxis(view);
  const values = settings(name);
  const edge = values.map((v) => [v, threshold({ ...law, [name]: v }, K)]);
  const high = 10 ** Math.ceil(Math.log10(6 * Math.max(...edge.map((p) => p[1]), c2))); // words find room
  const low = 10 ** Math.floor(Math.log10(Math.min(1e-9, Math.min(c2, ...edge.map((p) => p[1])) / 2)));
  const x =
    name === 'alpha'
      ? { low: 0.01, high: 100, log: true, label: 'α' }
      : { low: -0.02, high: 0.97, label: 'smoothing δ' };
  const y = { low, high, log: true, label: 'λ_W λ_H' };
  const top = [
    [values[values.length - 1], high],
    [values[0], high],
  ];
  const curves = [edge, ...sharp(view, low).map(([, points]) => points)];
  const under = (v, x0, own) => {
    const room = (shift) => {
      const middle = v * (high / low) ** (-shift / TALL);
      const heights = curves.filter((points) => points !== own).map((points) => valueAt(points, x0));
      const away = [...heights, low].map((height) => Math.abs(Math.log(height / middle)));
      return (Math.min(...away) * TALL) / Math.log(high / low);
    };
    return room(OVER) < 7 && room(UNDER) > room(OVER);
  };
  const here = Math.max(law[name], x.low);
  const items = [
    { kind: 'area', points: [...edge, ...top], colour: 'grid', opacity: 0.6 },
    ...levels(view, low, under),
    {
      kind: 'line',
      points: edge,
      colour: 'orange',
      wide: 2.5,
      label: 'threshold σ²',
      at: name === 'alpha' ? 0.12 : 0.4,
      anchor: 'start',
    },
    {
      kind: 'points',
      points: [[here, c2]],
      shape: 'ring',
      size: 6,
      colour: 'ink',
      label: 'you are here',
      shift: [0, under(c2, here) ? UNDER - OVER : 0],
    },
  ];
  const corner = (share) => low * (high / low) ** share;
  const beside = name === 'alpha' ? 20 : 0.75;
  if (edge[edge.length - 1][1] < corner(0.93))
    items.push({ kind: 'text', at: [beside, corner(0.95)], text: 'W = 0', colour: 'soft' });
  items.push({
    kind: 'text',
    at: [x.low, corner(0.05)],
    shift: [8, 0],
    anchor: 'start',
    text: 'simplex ETF',
    colour: 'soft',
  });
  const where =
    c2 < sigma2
      ? `${say(c2 / sigma2, 3)} of it: W is a simplex ETF with a = ${say(view.a)}`
      : 'at or above it: W = 0';
  const given =
    view.state.classifier === 'given'
      ? ` A classifier of this m is optimal at λ_W = ${say(c2 / view.state.lh)}, and that is where you are.`
      : '';
  const thin = kept.key === levelKey(view) ? 'Thin lines: a = 10, 100, … 10⁶.' : '';
  const caption =
    `Threshold of λ_W λ_H here: σ² = ${say(sigma2)}; the problem lies at ${say(c2)}, ` +
    `${where}.${given} ${thin}`;
  return { id: 'phase', title: 'Phases of the joint optimum', x, y, items, caption, drag: true };
}

/** What curves of equal sharpness depend on. */
function levelKey({ K, law, loss }) {
  const still = phaseAxis({ law }) === 'alpha' ? law.smoothing : 0;
  return JSON.stringify([K, law.name, still, law.own, loss]);
}

/** Height of a curve at the nearest of its points. */
function valueAt(points, x0) {
  return points.reduce((best, p) => (Math.abs(p[0] - x0) < Math.abs(best[0] - x0) ? p : best))[1];
}

/** Curves of equal sharpness that are in the picture, where they have been made. */
function sharp(view, low) {
  return kept.key === levelKey(view) ? kept.lines.filter(([, points]) => points.some(([, c]) => c > low)) : [];
}

/** Their lines, each with its a on the side where there is more room. */
function levels(view, low, under) {
  const at = phaseAxis(view) === 'alpha' ? 1 : 0.9; // beside the words at the problem
  return sharp(view, low).map(([a, points]) => {
    const [x0, v] = points[Math.round(at * (points.length - 1))];
    return {
      kind: 'line',
      points,
      colour: 'sky',
      wide: 1,
      label: `a = ${say(a)}`,
      at,
      anchor: 'end',
      shift: [0, under(v, x0, points) ? UNDER - OVER : 0],
    };
  });
}

/** Make them, where a moment is quick; too slow for a frame, so when the hand rests. True if there are new ones. */
export function makeLevels(view) {
  const { K, law, loss } = view;
  const key = levelKey(view);
  if (kept.key === key || law.name === 'kway' || law.name === 'cutmix') return false;
  const name = phaseAxis(view);
  const rules = settings(name)
    .filter((_, n) => n % 2 === 0)
    .map((v) => [v, { ...law, [name]: v }])
    .map(([v, one]) => [v, patterns(one, K), threshold(one, K)]);
  const line = (a) => rules.map(([v, rule, top]) => [v, productOf(rule, a, top, K, loss)]);
  kept = { key, lines: LEVELS.map((a) => [a, line(a)]) };
  return true;
}
