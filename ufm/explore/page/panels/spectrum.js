// Spectra of the two Hessians: which directions are stiff, and which the optimiser finds last.

import { collapseSpectrum, featureSpectrum } from '../math/spectrum.js';
import { say } from '../figures/format.js';

export function spectrumFigure(view) {
  const { K, d, state } = view;
  const joint = view.law.name === 'onehot' && view.loss === 'cross-entropy' && state.classifier === 'best';
  const found = joint ? collapseSpectrum(K, d, state.lw, state.lh, state.smoothing) : null;
  return found ? whole(view, found) : feature(view);
}

function stems(pairs, colour, label) {
  const items = [];
  for (const [value, count] of pairs) {
    items.push({
      kind: 'line',
      points: [
        [value, 0.7],
        [value, count],
      ],
      colour,
      wide: 3,
    });
    items.push({ kind: 'points', points: [[value, count]], colour, size: 5 });
  }
  pairs.forEach(([value, count, name], n) => {
    if (label(n))
      items.push({
        kind: 'text',
        at: [value, count],
        shift: [0, -9],
        text: name ?? say(value, 3),
        colour: 'ink',
      });
  });
  return items;
}

function axes(pairs, words) {
  const values = pairs.map(([value]) => value).filter((v) => v > 0);
  const x = { log: true, low: 0.5 * Math.min(...values, 1), high: 2.5 * Math.max(...values, 10), label: words };
  return {
    x,
    y: {
      log: true,
      low: 0.7,
      high: 3 * Math.max(...pairs.map(([, count]) => count), 3),
      label: 'multiplicity',
    },
  };
}

function feature(view) {
  const { at, label, a, K, d, loss } = view;
  const pairs = view.zero ? [[1, d]] : featureSpectrum(at.p, label.counts, a, K, d, loss);
  const stiff = pairs[pairs.length - 1][0];
  const caption =
    `Curvature of the loss in one feature at λ = ${say(view.state.lam)}, W held, in units of λ_H: from ${say(pairs[0][0], 3)} to ${say(stiff, 3)}. ` +
    `The ratio is what a plain gradient step has to fight.${view.law.name === 'onehot' ? '' : ' (Choose one-hot labels and the joint optimum to see the Hessian over W and features.)'}`;
  return {
    id: 'spectrum',
    title: 'Spectrum of the Hessian in one feature',
    ...axes(pairs, 'eigenvalue / λ_H'),
    items: stems(pairs, 'blue', () => true),
    caption,
  };
}

function whole(view, pairs) {
  const some = pairs.filter(([value]) => value > 0);
  const zero = pairs.find(([value]) => value === 0);
  const [low, high] = [some[0][0], some[some.length - 1][0]];
  const caption =
    `Over W and the class features at neural collapse, d = ${view.d}: ${zero ? `${zero[1]} zeros (rotations) and ` : ''}${some.length} eigenvalues from ${say(low, 3)} to ${say(high, 3)}, ` +
    `condition number ${say(high / low, 3)}. Angles are the slow modes where 2s/K is small.`;
  return {
    id: 'spectrum',
    title: 'Spectrum of the Hessian at neural collapse',
    ...axes(some, 'eigenvalue, in the coordinates √λ_W W, √(λ_H/K) H'),
    items: stems(some, 'blue', () => true),
    caption,
  };
}
