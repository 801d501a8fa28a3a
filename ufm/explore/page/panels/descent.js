// Blind descent as it happens: from zero features to the curve, beside the same under squared error.

import { plane, placed } from '../app/view.js';
import { labelOptimum } from '../math/optimum.js';
import { distanceBound, gradientStep, length, newtonStep, start } from '../math/descent.js';
import { shownLabel } from '../math/laws.js';
import { say, sayError } from '../figures/format.js';
import { span } from '../figures/svg.js';

export const METHODS = { gradient: 'gradient descent', newton: "Newton's method" };
const LOSSES = ['cross-entropy', 'squared-error'];
const MOST = 2e6; // steps
const DONE = 1e-10; // of the largest feature
const TRAIL = 400;

/** A run of both losses on 21 labels along the channel; `advance` takes steps, `figures` draws where it is. */
export class Descent {
  constructor(view, method) {
    this.view = view;
    this.method = method;
    this.step = method === 'newton' ? newtonStep : gradientStep;
    const law = { ...view.law, name: view.law.name === 'onehot' ? 'mixup' : view.law.name };
    this.labels = [];
    for (let n = 0; n <= 20; n++) this.labels.push(shownLabel(law, view.K, n / 20, (20 - n) / 20));
    this.sides = LOSSES.map((loss) => this.side(loss));
    this.steps = 0;
    this.record();
  }

  side(loss) {
    const optima = this.labels.map((label) => labelOptimum(label, this.view.a, loss));
    const unit = Math.max(...optima.map((at, n) => length(at.z, this.labels[n].counts)));
    const at = this.labels.map(start);
    return {
      loss,
      optima,
      unit,
      at,
      trails: this.labels.map(() => []),
      distances: [],
      bounds: [],
      done: false,
    };
  }

  get done() {
    return this.sides.every((side) => side.done) || this.steps >= MOST;
  }

  advance(count) {
    for (let n = 0; n < count && !this.done; n++) {
      for (const side of this.sides) {
        if (side.done) continue;
        side.at = side.at.map((at, k) => this.step(at, this.labels[k], this.view.a, side.loss));
      }
      this.steps++;
      // along a long way, only so many places are kept
      if (this.steps < 30 || this.steps % Math.ceil(this.steps / 30) === 0) this.record();
    }
    this.record();
  }

  record() {
    for (const side of this.sides) {
      const apart = side.at.map((at, k) =>
        length(
          at.z.map((v, m) => v - side.optima[k].z[m]),
          this.labels[k].counts,
        ),
      );
      const bounds = side.at.map((at, k) => distanceBound(at, this.labels[k], this.view.a, side.loss));
      side.distance = Math.max(...apart) / side.unit;
      side.bound = Math.max(...bounds) / side.unit;
      side.agrees = apart.every((v, k) => v <= bounds[k]);
      if (this.steps > 0) {
        side.distances.push([this.steps, Math.max(side.distance, 1e-17)]);
        side.bounds.push([this.steps, Math.max(side.bound, 1e-17)]);
      }
      if (this.view.K > 2) {
        side.at.forEach((at, k) => {
          const trail = side.trails[k];
          trail.push(plane(placed(at, this.labels[k], [0, 1, 2]), this.view.g));
          if (trail.length > TRAIL) trail.splice(1, 1);
        });
      }
      if (side.bound < DONE) side.done = true;
    }
  }

  figures() {
    return [...this.sides.map((side, n) => this.picture(side, n)), this.chart()];
  }

  picture(side, n) {
    const { g, K } = this.view;
    const title = side.loss === 'squared-error' ? 'Squared error: straight' : 'Cross-entropy: bent';
    const base = { id: `descent-${n}`, title, bare: true, equal: true, height: 320, ruler: 'h' };
    const two = (z) => [(z[0] - z[1]) / Math.sqrt(2 * g), 0];
    const spot = (at, k) => (K > 2 ? plane(placed(at, this.labels[k], [0, 1, 2]), g) : two(at.z));
    const curve = side.optima.map(spot);
    const points = side.at.map(spot);
    const items = side.trails.map((trail) => ({ kind: 'line', points: trail, colour: 'sky', wide: 0.8 }));
    items.push({
      kind: 'line',
      points: curve,
      colour: side.loss === 'squared-error' ? 'green' : 'blue',
      wide: 2.5,
    });
    items.push({ kind: 'points', points: [[0, 0]], colour: 'ink', shape: 'cross', size: 5 });
    items.push({ kind: 'points', points, colour: 'orange', size: 4 });
    const all = [...curve, ...points, [0, 0], ...side.trails.flat()];
    const x = {
      ...span(
        all.map((p) => p[0]),
        0.12,
      ),
      label: '',
    };
    const y = {
      ...span(
        all.map((p) => p[1]),
        0.12,
      ),
      label: '',
    };
    return { ...base, x, y, items, caption: `${title}. ${this.words(side)}` };
  }

  words(side) {
    const word = side.agrees ? 'agrees' : 'DISAGREES';
    return (
      `${this.steps} steps of ${METHODS[this.method]}: the farthest feature is ${sayError(side.distance)} ` +
      `from the closed form, ` +
      `and no more than ${sayError(side.bound)} from the optimum, both relative to the largest: ${word}.`
    );
  }

  chart() {
    const most = Math.max(10, this.steps);
    const some = this.sides.flatMap((side) => [...side.distances, ...side.bounds].map((p) => p[1]));
    const low = 10 ** Math.floor(Math.log10(Math.max(1e-17, Math.min(1e-2, ...some)) * 0.5));
    const high = 10 ** Math.ceil(Math.log10(Math.max(1, ...some)));
    const items = [];
    this.sides.forEach((side, n) => {
      const colour = n ? 'green' : 'blue';
      items.push({
        kind: 'line',
        points: side.bounds,
        colour,
        dash: '4 4',
        wide: 1.5,
        label: n ? '' : 'bound',
        at: 0.25,
        shift: [0, -5],
      });
      items.push({
        kind: 'line',
        points: side.distances,
        colour,
        wide: 2,
        label: n ? 'squared error' : 'cross-entropy',
        at: 0.25,
        shift: [0, n ? -2 : 24],
      });
    });
    const caption =
      'Distance to the closed form (solid) below its bound from the gradient alone (dashed), as shares of ' +
      'the largest feature.';
    const x = { log: true, low: 1, high: most, label: 'steps' };
    return {
      id: 'descent-chart',
      title: 'Distance and bound',
      x,
      y: { log: true, low, high, label: 'relative distance' },
      items,
      caption,
      height: 320,
    };
  }

  /** One sentence for who listens. */
  get said() {
    return `${this.words(this.sides[0])} Squared error: ${say(this.sides[1].distance, 2)} away.`;
  }
}
