// Dragging in pictures: a place in a picture means a number of the state.

import { allowed } from './state.js';
import { el, stage } from './stage.js';
import { layout } from '../figures/svg.js';
import { phaseAxis } from '../panels/phase.js';

/** What a place in a picture means. */
function pointed(figure, x, y) {
  if (figure.id === 'displacement') return { lam: 1 / (1 + Math.exp(-x)) };
  if (figure.id === 'calibration')
    return { lam: (x - stage.state.smoothing / stage.state.K) / (1 - stage.state.smoothing) };
  if (figure.id === 'phase') {
    const part = { [phaseAxis(stage.view)]: x };
    if (stage.state.classifier === 'best') part.lw = y / stage.state.lh;
    return part;
  }
  if (figure.id === 'channel') return nearest(figure, x, y);
  return figure.drag ? { lam: x } : null;
}

/** The lam whose feature is nearest; the thick line of the picture is the curve itself. */
function nearest(figure, x, y) {
  const line = figure.items.find((item) => item.wide === 3);
  if (!line || line.points.length !== stage.view.curve.length) return null;
  const far = line.points.map(([u, v]) => Math.hypot(u - x, v - y));
  return { lam: stage.view.curve[far.indexOf(Math.min(...far))].lam };
}

/** A picture in which a hand sets the number that it points at. */
export function draggable(id, change) {
  const place = el(id).querySelector('.picture');
  let last = null;
  const move = (event) => {
    const figure = stage.drawn.get(id);
    if (id === 'channel' && stage.state.K === 4) {
      const [dx, dy] = [event.clientX - last.x, event.clientY - last.y];
      last = { x: event.clientX, y: event.clientY };
      change(turned(dx / 2, dy / 2));
      return;
    }
    const box = place.querySelector('svg').getBoundingClientRect();
    const at = layout(figure);
    const [x, y] = at.fromPixel(
      ((event.clientX - box.left) / box.width) * at.width,
      ((event.clientY - box.top) / box.height) * at.height,
    );
    const part = pointed(figure, x, y);
    if (!part) return;
    for (const [name, value] of Object.entries(part))
      part[name] = Number(allowed(name, value, stage.state).toPrecision(4));
    change(part);
  };
  place.addEventListener('pointerdown', (event) => {
    last = { x: event.clientX, y: event.clientY };
    place.setPointerCapture(event.pointerId);
    move(event);
  });
  place.addEventListener('pointermove', (event) => last && move(event));
  for (const end of ['pointerup', 'pointercancel']) place.addEventListener(end, () => (last = null));
}

const wrapped = (angle) => ((((angle + 180) % 360) + 360) % 360) - 180;

/** The picture of four classes turned by so many degrees. */
function turned(yaw, pitch) {
  return {
    yaw: wrapped(stage.state.yaw + yaw),
    pitch: Math.max(-90, Math.min(90, stage.state.pitch + pitch)),
  };
}

/** The channel picture by arrow keys. */
export function turnByKeys(change) {
  const place = el('channel').querySelector('.picture');
  place.tabIndex = 0;
  place.setAttribute('role', 'application');
  place.setAttribute('aria-label', 'channel picture; arrow keys move λ, or turn four classes');
  place.addEventListener('keydown', (event) => {
    const steps = { ArrowLeft: [-5, 0], ArrowRight: [5, 0], ArrowUp: [0, -5], ArrowDown: [0, 5] }[event.key];
    if (!steps) return;
    event.preventDefault();
    if (stage.state.K === 4) change(turned(...steps));
    else change({ lam: allowed('lam', stage.state.lam + (steps[0] - steps[1]) / 500, stage.state) });
  });
}
