// A figure is a value: axes and items. Here it becomes an SVG; `latex.js` makes pgfplots of the same value.
//
// {id, title, caption, x: {label, log, low, high}, y, equal, items: [
//   {kind: 'line', points: [[x, y], ..], colour, dash, wide, label, at: 'end' | 'middle' | 'start'},
//   {kind: 'points', points, colour, shape: 'dot' | 'ring' | 'square' | 'cross', size, label},
//   {kind: 'arrow', from, to, colour, label}, {kind: 'area', points, colour}, {kind: 'text', at, text, anchor}]}

import { escape, power, say } from './format.js';

// Okabe and Ito's colours, told apart by every kind of colour vision; darker or lighter as the ground asks
const LIGHT = {
  ink: '#1a1a1a',
  soft: '#595959',
  grid: '#e3e3e3',
  ground: '#ffffff',
  blue: '#0072b2',
  orange: '#b45a00',
  green: '#00795a',
  pink: '#a8508a',
  sky: '#2a7dae',
  grey: '#767676',
};
const DARK = {
  ink: '#f0f0f0',
  soft: '#b3b3b3',
  grid: '#3a3a3a',
  ground: '#1b1c1e',
  blue: '#5db4ec',
  orange: '#f0a04b',
  green: '#3fc79a',
  pink: '#e08fc3',
  sky: '#8fd0f5',
  grey: '#9a9a9a',
};

export function palette(dark) {
  return dark ? DARK : LIGHT;
}

const WIDTH = 480;
const FONT = 13;
const EDGES = { left: 70, right: 16, top: 12, bottom: 44 };

/** Ends of an axis that holds all values, a little wider. */
export function span(values, margin = 0.05) {
  const some = values.filter(Number.isFinite);
  let [low, high] = [Math.min(...some), Math.max(...some)];
  if (!some.length) [low, high] = [0, 1];
  if (!(high > low)) {
    const room = Math.abs(high) * 0.1 || 1;
    [low, high] = [low - room, high + room];
  }
  const room = margin * (high - low);
  return { low: low - room, high: high + room };
}

/** Numbers to write at an axis. */
function ticks(axis, count = 5) {
  if (axis.ticks) return axis.ticks;
  if (axis.log) {
    const [first, last] = [Math.ceil(Math.log10(axis.low) - 1e-9), Math.floor(Math.log10(axis.high) + 1e-9)];
    const step = Math.max(1, Math.ceil((last - first) / count));
    const found = [];
    for (let n = first; n <= last; n += step) found.push(10 ** n);
    return found;
  }
  const raw = (axis.high - axis.low) / count;
  const ten = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map((n) => n * ten).find((n) => n >= raw * 0.999);
  const found = [];
  for (let n = Math.ceil(axis.low / step - 1e-9); n * step <= axis.high + 1e-9 * step; n++) {
    found.push(Number((n * step).toPrecision(12)));
  }
  return found;
}

function tickText(axis, value) {
  if (axis.log) {
    const n = Math.round(Math.log10(value));
    return n >= -2 && n <= 3
      ? String(10 ** n >= 1 ? 10 ** n : Number((10 ** n).toPrecision(1)))
      : `10${power(n)}`;
  }
  return say(value, 3);
}

/** Maps from numbers to pixels, and back. */
export function layout(figure) {
  const height = figure.height ?? 300;
  const bare = figure.bare;
  const edge = bare ? { left: 8, right: 8, top: 8, bottom: 8 } : EDGES;
  let { x, y } = figure;
  const [w, h] = [WIDTH - edge.left - edge.right, height - edge.top - edge.bottom];
  if (figure.equal) {
    const unit = Math.max((x.high - x.low) / w, (y.high - y.low) / h);
    const wider = (axis, size) => {
      const room = (unit * size - (axis.high - axis.low)) / 2;
      return { ...axis, low: axis.low - room, high: axis.high + room };
    };
    [x, y] = [wider(x, w), wider(y, h)];
  }
  const of = (axis, v) =>
    axis.log
      ? Math.log(v / axis.low) / Math.log(axis.high / axis.low)
      : (v - axis.low) / (axis.high - axis.low);
  const back = (axis, s) =>
    axis.log ? axis.low * (axis.high / axis.low) ** s : axis.low + s * (axis.high - axis.low);
  return {
    width: WIDTH,
    height,
    edge,
    x,
    y,
    w,
    h,
    px: (v) => edge.left + w * of(x, v),
    py: (v) => edge.top + h * (1 - of(y, v)),
    fromPixel: (u, v) => [back(x, (u - edge.left) / w), back(y, 1 - (v - edge.top) / h)],
  };
}

/** A length to measure by, at the lower left corner, where a picture has no axes. */
export function rulerItems({ ruler }, { x, y }) {
  if (!ruler) return [];
  const wide = x.high - x.low;
  const ten = 10 ** Math.floor(Math.log10(wide / 4));
  const size = [5, 2, 1].map((n) => n * ten).find((n) => n <= wide / 4);
  const [left, low] = [x.low + 0.03 * wide, y.low + 0.04 * (y.high - y.low)];
  const words = `length ${say(size)} of ${ruler}`;
  return [
    {
      kind: 'line',
      points: [
        [left, low],
        [left + size, low],
      ],
      colour: 'soft',
      wide: 2.5,
    },
    { kind: 'text', at: [left, low], shift: [0, -7], text: words, colour: 'soft', anchor: 'start' },
  ];
}

const round = (v) => (Number.isFinite(v) ? Math.round(Math.max(-9999, Math.min(9999, v)) * 10) / 10 : 0);

/** The figure as the text of an SVG. */
export function toSvg(figure, colours, whole = false) {
  const at = layout(figure);
  const parts = [];
  if (!figure.bare) parts.push(axes(figure, at, colours));
  const clip = `clip-${figure.id}`;
  parts.push(
    `<clipPath id="${clip}"><rect x="${at.edge.left}" y="${at.edge.top}" width="${at.w}" ` +
      `height="${at.h}"/></clipPath>`,
  );
  const [inside, over] = [[], []];
  for (const item of [...figure.items, ...rulerItems(figure, at)]) drawItem(item, at, colours, inside, over);
  parts.push(`<g clip-path="url(#${clip})">${inside.join('')}</g>`, over.join(''));
  const style = `font-family="system-ui, -apple-system, 'Segoe UI', sans-serif" font-size="${FONT}"`;
  const ground = whole ? `<rect width="${at.width}" height="${at.height}" fill="${colours.ground}"/>` : '';
  const words = `<title>${escape(figure.title)}</title><desc>${escape(figure.caption)}</desc>`;
  const space = whole ? ' xmlns="http://www.w3.org/2000/svg"' : '';
  const size = whole ? ` width="${at.width}" height="${at.height}"` : '';
  const head = `<svg${space} viewBox="0 0 ${at.width} ${at.height}"${size} role="img" ${style}>`;
  return `${head}${words}${ground}${parts.join('')}</svg>`;
}

function axes(figure, at, colours) {
  const parts = [];
  const [left, bottom] = [at.edge.left, at.edge.top + at.h];
  for (const v of ticks(at.x)) {
    const x = round(at.px(v));
    parts.push(`<path d="M${x} ${at.edge.top}V${bottom}" stroke="${colours.grid}"/>`);
    parts.push(text([x, bottom + 17], tickText(at.x, v), 'middle', colours.soft));
  }
  for (const v of ticks(at.y)) {
    const y = round(at.py(v));
    parts.push(`<path d="M${left} ${y}H${left + at.w}" stroke="${colours.grid}"/>`);
    parts.push(text([left - 6, y + 4], tickText(at.y, v), 'end', colours.soft));
  }
  parts.push(
    `<path d="M${left} ${at.edge.top}V${bottom}H${left + at.w}" fill="none" stroke="${colours.soft}"/>`,
  );
  parts.push(text([left + at.w / 2, at.height - 6], figure.x.label, 'middle', colours.ink));
  const middle = at.edge.top + at.h / 2;
  parts.push(
    `<text x="13" y="${middle}" text-anchor="middle" transform="rotate(-90 13 ${middle})" ` +
      `fill="${colours.ink}">${lowered(figure.y.label)}</text>`,
  );
  return parts.join('');
}

function text([x, y], words, anchor, colour, halo = '') {
  const around = halo ? ` stroke="${halo}" stroke-width="3" paint-order="stroke" stroke-linejoin="round"` : '';
  const place = `x="${round(x)}" y="${round(y)}" text-anchor="${anchor}"`;
  return `<text ${place} fill="${colour}"${around}>${lowered(words)}</text>`;
}

/** λ_W with a lowered W. */
function lowered(words) {
  return escape(words).replace(
    /_(\w)/g,
    '<tspan dy="3" font-size="10">$1</tspan><tspan dy="-3">\u200b</tspan>',
  );
}

function drawItem(item, at, colours, inside, over) {
  const colour = colours[item.colour ?? 'ink'];
  const px = ([x, y]) => [at.px(x), at.py(y)];
  if (item.kind === 'text') {
    over.push(text(shifted(px(item.at), item), item.text, item.anchor ?? 'middle', colour, colours.ground));
    return;
  }
  if (item.kind === 'arrow') {
    inside.push(arrow(px(item.from), px(item.to), colour));
    if (item.label) over.push(beside(px(item.from), px(item.to), item.label, colour, colours.ground));
    return;
  }
  const points = item.points.map(px).filter(([x, y]) => Number.isFinite(x) && Number.isFinite(y));
  if (!points.length) return;
  if (item.kind === 'points') {
    for (const point of points) inside.push(mark(point, item, colour, colours.ground));
    const [x, y] = points[points.length - 1];
    if (item.label) over.push(text(shifted([x + 9, y - 7], item), item.label, 'start', colour, colours.ground));
    return;
  }
  const path = points.map(([x, y], n) => `${n ? 'L' : 'M'}${round(x)} ${round(y)}`).join('');
  if (item.kind === 'area') {
    inside.push(`<path d="${path}Z" fill="${colour}" opacity="${item.opacity ?? 1}"/>`);
    return;
  }
  const dash = item.dash ? ` stroke-dasharray="${item.dash}"` : '';
  inside.push(
    `<path d="${path}" fill="none" stroke="${colour}" stroke-width="${item.wide ?? 2}" ` +
      `stroke-linejoin="round"${dash}/>`,
  );
  if (item.label) {
    const share = { start: 0.04, middle: 0.5, end: 0.96 }[item.at ?? 'end'] ?? item.at;
    const [x, y] = points[Math.round(share * (points.length - 1))];
    const anchor = x > at.edge.left + 0.8 * at.w ? 'end' : x < at.edge.left + 0.2 * at.w ? 'start' : 'middle';
    if (y > at.edge.top + at.h) return; // its place is not in the picture
    const up = Math.max(at.edge.top + 12, y - 7);
    over.push(text(shifted([x, up], item), item.label, item.anchor ?? anchor, colour, colours.ground));
  }
}

function shifted([x, y], { shift }) {
  return shift ? [x + shift[0], y + shift[1]] : [x, y];
}

function mark([x, y], { shape = 'dot', size = 3.5 }, colour, ground) {
  const [u, v] = [round(x), round(y)];
  if (shape === 'ring') {
    return `<circle cx="${u}" cy="${v}" r="${size}" fill="${ground}" stroke="${colour}" stroke-width="2.2"/>`;
  }
  if (shape === 'square') {
    return `<rect x="${u - size}" y="${v - size}" width="${2 * size}" height="${2 * size}" fill="${colour}"/>`;
  }
  if (shape === 'cross') {
    const wide = 2 * size;
    const cross = `M${u - size} ${v - size}l${wide} ${wide}m0 ${-wide}l${-wide} ${wide}`;
    return `<path d="${cross}" stroke="${colour}" stroke-width="1.6"/>`;
  }
  return `<circle cx="${u}" cy="${v}" r="${size}" fill="${colour}"/>`;
}

function arrow([x0, y0], [x1, y1], colour) {
  const length = Math.hypot(x1 - x0, y1 - y0);
  if (!(length > 1)) return '';
  const [ux, uy] = [(x1 - x0) / length, (y1 - y0) / length];
  const [bx, by] = [x1 - 9 * ux, y1 - 9 * uy];
  const corner = (side) => `${round(bx - side * 4 * uy)} ${round(by + side * 4 * ux)}`;
  return (
    `<path d="M${round(x0)} ${round(y0)}L${round(bx)} ${round(by)}" stroke="${colour}" stroke-width="2"/>` +
    `<path d="M${round(x1)} ${round(y1)}L${corner(1)}L${corner(-1)}Z" fill="${colour}"/>`
  );
}

function beside([x0, y0], [x1, y1], words, colour, ground) {
  const length = Math.hypot(x1 - x0, y1 - y0) || 1;
  const [ux, uy] = [(x1 - x0) / length, (y1 - y0) / length];
  const anchor = Math.abs(ux) < 0.3 ? 'middle' : ux > 0 ? 'start' : 'end';
  return text([x1 + 12 * ux, y1 + 14 * uy + 4], words, anchor, colour, ground);
}
