// The channel picture: optimal features of mixed labels in the plane of three classes, or in space for four.

import { curveOf, placed, plane } from '../app/view.js';
import { labelOptimum } from '../math/optimum.js';
import { shownLabel } from '../math/laws.js';
import { say } from '../figures/format.js';
import { span } from '../figures/svg.js';

const TURNS = [
  [0, 1, 2],
  [1, 2, 0],
  [2, 0, 1],
];

/** How much the optimum stretches along w_1 + w_2 over the straight line between the classes. */
export function bowing(view) {
  if (view.zero || view.K < 3) return null;
  const law = { ...view.law, name: 'mixup' };
  const [z, one, other] = [0.5, 1, 0].map(
    (lam) => labelOptimum(shownLabel(law, view.K, lam), view.a, view.loss).z,
  );
  return (z[0] + z[1]) / ((one[0] + one[1] + other[0] + other[1]) / 2);
}

export function channelFigure(view) {
  const base = {
    id: 'channel',
    title: 'The channel: optimal features in the plane of three classes',
    equal: true,
    bare: true,
  };
  if (view.zero) return empty(base, view);
  if (view.K === 2) return line(base, view);
  return view.K === 4 ? space(base, view) : flat(base, view);
}

function empty(base, view) {
  const caption =
    `λ_W λ_H = ${say(view.c2)} is at or above the threshold σ² = ${say(view.sigma2)}: ` +
    'the optimum is W = 0 and every feature is zero. Lower a penalty and the picture returns.';
  const axis = { low: -1, high: 1, label: '' };
  const items = [
    { kind: 'points', points: [[0, 0]], shape: 'ring', colour: 'orange', size: 6 },
    { kind: 'text', at: [0, 0.18], text: 'W = 0: all features are zero', colour: 'ink' },
  ];
  return { ...base, x: axis, y: axis, items, caption, height: 300 };
}

/** Points of the curve for classes i and j of the picture. */
function channelPoints(curve, order, g) {
  return curve.map(({ at, label }) => plane(placed(at, label, order), g));
}

function flat(base, view) {
  const { K, g, curve } = view;
  const label = shownLabel({ ...view.law, name: 'mixup' }, K, 1);
  const single = labelOptimum(label, view.a, view.loss);
  const corner = (k) => plane(placed(single, label, TURNS[k]), g);
  const items = [];
  if (view.law.name === 'kway' && view.law.ways > 2) items.push(...web(view));
  const straight = [0, 0.25, 0.5, 0.75, 1].map((lam) => {
    const label = shownLabel({ ...view.law, name: 'mixup' }, K, lam);
    return { label, at: labelOptimum(label, view.a, 'squared-error') };
  });
  for (const pair of TURNS) {
    items.push({ kind: 'line', points: pair.slice(0, 2).map(corner), colour: 'grey', dash: '5 4', wide: 1.2 });
    if (view.loss !== 'squared-error') {
      items.push({ kind: 'line', points: channelPoints(straight, pair, g), colour: 'green', wide: 1.6 });
    }
  }
  const own = view.law.name === 'kway' || view.law.name === 'own'; // then the path of λ is none of the three edges
  const edges = own ? curveOf(view, { ...view.law, name: 'mixup' }) : curve;
  for (const pair of own ? TURNS : TURNS.slice(1)) {
    items.push({ kind: 'line', points: channelPoints(edges, pair, g), colour: 'sky', wide: 1.6 });
  }
  items.push({ kind: 'line', points: channelPoints(curve, TURNS[0], g), colour: 'blue', wide: 3 });
  const reach = Math.hypot(...corner(0));
  for (const k of [0, 1, 2]) {
    const [x, y] = corner(k);
    const s = 0.5;
    items.push({ kind: 'arrow', from: [0, 0], to: [s * x, s * y], colour: 'ink', label: `w${'₁₂₃'[k]}` });
    items.push({ kind: 'points', points: [[x, y]], colour: 'orange', shape: 'square', size: 5 });
  }
  const here = plane(placed(view.at, view.label, TURNS[0]), g);
  items.push({ kind: 'points', points: [here], colour: 'ink', shape: 'ring', size: 6 });
  const away = [here[0] + (here[0] >= 0 ? 0.04 : -0.04) * reach, here[1]];
  items.push({
    kind: 'text',
    at: away,
    shift: [here[0] >= 0 ? 8 : -8, 4],
    text: 'h(λ)',
    anchor: here[0] >= 0 ? 'start' : 'end',
  });
  if (view.loss !== 'squared-error') {
    const [x, y] = channelPoints(straight, TURNS[1], g)[Math.floor(straight.length / 2)];
    const wide = Math.abs(y) > 0.25 * reach; // then there is room inside the triangle
    items.push({
      kind: 'text',
      at: [x, y],
      shift: [0, wide ? -8 : 26],
      text: 'squared error',
      colour: 'green',
    });
  }
  const all = frame(items.flatMap((item) => item.points ?? []));
  return { ...base, ...all, items, ruler: 'h', caption: words(view), height: 470 };
}

function frame(points) {
  const x = span(
    points.map((p) => p[0]),
    0.09,
  );
  const y = span(
    points.map((p) => p[1]),
    0.09,
  );
  return { x: { ...x, label: '' }, y: { ...y, label: '' } };
}

/** A net of labels on three classes, and where it goes: lines of constant share. */
function web(view) {
  const [n, items] = [10, []];
  const at = (u) => {
    const values = u.map((v) => (1 - view.law.smoothing) * v + view.law.smoothing / view.K);
    const floor = view.law.smoothing / view.K;
    const found = labelOptimum(
      { values: [...values, floor], counts: [1, 1, 1, view.K - 3] },
      view.a,
      view.loss,
    );
    return plane(found.z.slice(0, 3), view.g);
  };
  for (let k = 1; k < n; k++) {
    for (let turn = 0; turn < 3; turn++) {
      const points = [];
      for (let m = 0; m <= 20; m++) {
        const rest = (1 - k / n) * (m / 20);
        const u = [k / n, rest, 1 - k / n - rest];
        points.push(at([u[turn % 3], u[(turn + 1) % 3], u[(turn + 2) % 3]]));
      }
      items.push({ kind: 'line', points, colour: 'sky', wide: 0.8 });
    }
  }
  return items;
}

/** Two classes: one number, on a line. */
function line(base, view) {
  const scale = 1 / Math.sqrt(2 * view.g);
  const curve = (lam) => labelOptimum(shownLabel(view.law, 2, lam), view.a, view.loss);
  const spot = (lam) => (curve(lam).z[0] - curve(lam).z[1]) * scale;
  const [low, high] = [spot(0), spot(1)];
  const items = [];
  for (const [y, name, colour] of [
    [0.25, 'the optimum', 'blue'],
    [-0.25, 'convex combinations', 'grey'],
  ]) {
    items.push({
      kind: 'line',
      points: [
        [low, y],
        [high, y],
      ],
      colour,
      wide: 1.2,
    });
    for (let n = 0; n <= 10; n++) {
      const x = y > 0 ? spot(n / 10) : low + (high - low) * (n / 10);
      items.push({ kind: 'points', points: [[x, y]], colour, size: 4 });
    }
    items.push({
      kind: 'text',
      at: [0, y],
      shift: [0, y > 0 ? -22 : 30],
      text: `${name}, λ = 0, 0.1, … 1`,
      colour,
    });
  }
  items.push({ kind: 'points', points: [[spot(view.state.lam), 0.25]], shape: 'ring', colour: 'ink', size: 6 });
  const caption =
    `Two classes leave one number, h along w₁ − w₂: ${say(spot(view.state.lam))} at λ = ${say(view.state.lam)}. ` +
    `The ends are ${say(low)} and ${say(high)}.`;
  const room = 0.08 * (high - low);
  return {
    ...base,
    equal: false,
    title: 'Two classes: features on a line',
    x: { low: low - room, high: high + room, label: '' },
    y: { low: -1, high: 1, label: '' },
    items,
    caption,
    height: 220,
  };
}

/** Four classes: their rows are the corners of a tetrahedron, which turns. */
function space(base, view) {
  const { g, curve } = view;
  const turned = turn(view.state.yaw, view.state.pitch);
  const tetra = [
    [1, 1, 1],
    [1, -1, -1],
    [-1, 1, -1],
    [-1, -1, 1],
  ].map((v) => v.map((t) => t / 2));
  const spot = (z) =>
    turned([0, 1, 2].map((axis) => z.reduce((sum, v, k) => sum + (v * tetra[k][axis]) / Math.sqrt(g), 0)));
  const label = shownLabel({ ...view.law, name: 'mixup' }, 4, 1);
  const single = labelOptimum(label, view.a, view.loss);
  const first = (k, second) => [k, second, ...[0, 1, 2, 3].filter((one) => one !== k && one !== second)];
  const corner = [0, 1, 2, 3].map((k) => spot(placed(single, label, first(k, (k + 1) % 4))));
  const mixing = view.law.name === 'mixup' ? curve : curveOf(view, { ...view.law, name: 'mixup' });
  const items = [];
  for (let i = 0; i < 4; i++) {
    for (let j = 0; j < i; j++) {
      const points = mixing.map((point) => spot(placed(point.at, point.label, first(j, i))));
      const depth = (corner[i][2] + corner[j][2]) / (2 * Math.hypot(...corner[0]));
      items.push({
        kind: 'line',
        points: [corner[i], corner[j]].map(([x, y]) => [x, y]),
        colour: 'grey',
        dash: '5 4',
        wide: 1,
      });
      items.push({
        kind: 'line',
        points: points.map(([x, y]) => [x, y]),
        colour: 'sky',
        wide: 1.8 + 1.2 * depth,
      });
    }
  }
  const shown = curve.map((point) => spot(placed(point.at, point.label, [0, 1, 2, 3])));
  items.push({ kind: 'line', points: shown.map(([x, y]) => [x, y]), colour: 'blue', wide: 3 });
  corner.forEach(([x, y], k) => {
    items.push({ kind: 'arrow', from: [0, 0], to: [x / 2, y / 2], colour: 'ink', label: `w${'₁₂₃₄'[k]}` });
    items.push({ kind: 'points', points: [[x, y]], colour: 'orange', shape: 'square', size: 5 });
  });
  const [x, y] = spot(placed(view.at, view.label, [0, 1, 2, 3]));
  items.push({ kind: 'points', points: [[x, y]], colour: 'ink', shape: 'ring', size: 6, label: 'h(λ)' });
  const reach =
    1.25 *
    Math.max(
      Math.hypot(...corner[0]),
      ...mixing.map((point) => Math.hypot(...spot(placed(point.at, point.label, [0, 1, 2, 3])))),
    );
  const axis = { low: -reach, high: reach, label: '' };
  return {
    ...base,
    title: 'The channels of four classes in space',
    x: axis,
    y: axis,
    items,
    caption: `${words(view)} Drag the picture, or use the arrow keys on it, to turn it.`,
    ruler: 'h',
    height: 400,
  };
}

/** Rotation by two angles in degrees: [right, up, towards the reader]. */
function turn(yaw, pitch) {
  const [a, b] = [yaw, pitch].map((t) => (t * Math.PI) / 180);
  return ([x, y, z]) => {
    const u = Math.cos(a) * x + Math.sin(a) * z;
    const w = -Math.sin(a) * x + Math.cos(a) * z;
    return [u, Math.cos(b) * y - Math.sin(b) * w, Math.sin(b) * y + Math.cos(b) * w];
  };
}

function words(view) {
  const bow = bowing(view);
  const share = say(bow, 3);
  if (view.loss === 'squared-error') {
    return (
      `K = ${view.K}, squared error: mixed features (blue) lie on the straight lines between their classes ` +
      '(dashed, orange squares).'
    );
  }
  const path = {
    own: ' Thick: from your label (λ = 0) to class 1 (λ = 1).',
    kway:
      view.law.ways > 2
        ? ' Thick: λ of class 1, the rest shared by classes 2 and 3; the net is all mixtures of three.'
        : '',
    onehot: ' The law has labels of one class only: between them it is shown what mixed labels would have.',
  };
  const verb =
    bow > 1.005
      ? `bows out to ${share} times the chord`
      : bow < 0.995
        ? `lies at ${share} times the chord`
        : 'lies on the chord, to three digits';
  return (
    `K = ${view.K}, a = ${say(view.a)}: half-way between two classes the optimum (blue) ${verb} ` +
    `(dashed).${path[view.law.name] ?? ''} ` +
    'Orange squares: features of one class. Arrows: directions of the classifier.' +
    (view.K === 4 ? '' : ' Green: squared error with the same W, straight.')
  );
}
