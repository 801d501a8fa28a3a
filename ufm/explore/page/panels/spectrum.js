// Spectra of the two Hessians: which directions are stiff, and which the optimiser finds last.

import { collapseSpectrum, featureSpectrum } from '../math/spectrum.js';
import { say } from '../figures/format.js';

export function spectrumFigure(view) {
  const { K, d, state } = view;
  const joint = view.law.name === 'onehot' && view.loss === 'cross-entropy' && state.classifier === 'best';
  const found = joint ? collapseSpectrum(K, d, state.lw, state.lh, state.smoothing) : null;
  return found ? whole(view, found) : feature(view);
}

/** For each word the first row in which none of those before it, all further left, is in its way. */
function rowsOf(words, values, x) {
  const ends = [];
  return words.map((word, n) => {
    const place = (400 * Math.log(values[n] / x.low)) / Math.log(x.high / x.low); // pixels
    const half = 3.5 * word.length + 3;
    const row = ends.findIndex((end) => end <= place - half);
    ends[row < 0 ? ends.length : row] = place + half;
    return row < 0 ? ends.length - 1 : row;
  });
}

/** Stems, each with its name or value: above it, or in rows at the top with a thin line down to it. */
function stems(pairs, { x, y }) {
  const items = [];
  const words = pairs.map(([value, , name]) => name ?? say(value, 3));
  const rows = rowsOf(
    words,
    pairs.map(([value]) => value),
    x,
  );
  pairs.forEach(([value, count, name], n) => {
    items.push({
      kind: 'line',
      points: [
        [value, y.low],
        [value, count],
      ],
      colour: 'blue',
      wide: 3,
    });
    items.push({ kind: 'points', points: [[value, count]], colour: 'blue', size: 5 });
    if (!name) {
      items.push({ kind: 'text', at: [value, count], shift: [0, -9 - 13 * rows[n]], text: words[n], colour: 'ink' });
      return;
    }
    const row = y.low * (y.high / y.low) ** (0.95 - 0.07 * rows[n]);
    items.unshift({
      kind: 'line',
      points: [
        [value, count],
        [value, row],
      ],
      colour: 'grid',
      wide: 1.2,
    });
    items.push({ kind: 'text', at: [value, row], shift: [0, 4], text: name, colour: 'ink' });
  });
  return items;
}

function axes(pairs, words, room) {
  const values = pairs.map(([value]) => value).filter((v) => v > 0);
  const most = Math.max(...pairs.map(([, count]) => count), 3);
  return {
    x: { log: true, low: 0.5 * Math.min(...values, 1), high: 2.5 * Math.max(...values, 10), label: words },
    y: { log: true, low: 0.7, high: most * room, label: 'multiplicity' },
  };
}

function feature(view) {
  const { at, label, a, K, d, loss } = view;
  const pairs = view.zero ? [[1, d]] : featureSpectrum(at.p, label.counts, a, K, d, loss);
  const [low, high] = [pairs[0][0], pairs[pairs.length - 1][0]];
  const more = ' With one-hot labels and the joint optimum the picture is of W and all features at once.';
  const caption =
    `Curvature of the loss in one feature at λ = ${say(view.state.lam)}, W held, in units of λ_H: ` +
    `from ${say(low, 3)} to ${say(high, 3)}. The ratio is what a plain gradient step has to fight.` +
    `${view.law.name === 'onehot' ? '' : more}`;
  const frame = axes(pairs, 'eigenvalue / λ_H', 3);
  return {
    id: 'spectrum',
    title: 'Spectrum of the Hessian in one feature',
    ...frame,
    items: stems(pairs, frame),
    caption,
  };
}

function whole(view, pairs) {
  const some = pairs.filter(([value]) => value > 0);
  const zero = pairs.find(([value]) => value === 0);
  const [low, high] = [some[0][0], some[some.length - 1][0]];
  const caption =
    `Over W and the class features at neural collapse, d = ${view.d}: ` +
    `${zero ? `${zero[1]} zeros (rotations) and ` : ''}${some.length} eigenvalues ` +
    `from ${say(low, 3)} to ${say(high, 3)}, condition number ${say(high / low, 3)}. ` +
    'Angles are the slow modes where 2s/K is small.';
  const at = axes(some, 'eigenvalue, in the coordinates √λ_W W, √(λ_H/K) H', 100);
  return {
    id: 'spectrum',
    title: 'Spectrum of the Hessian at neural collapse',
    ...at,
    items: stems(some, at),
    caption,
  };
}
