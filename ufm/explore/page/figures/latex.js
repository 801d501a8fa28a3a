// A figure as pgfplots, to be read by \input in a paper: \usepackage{pgfplots}, \pgfplotsset{compat=1.18}.

import { layout, palette, rulerItems } from './svg.js';

const SIGNS = {
  λ: '$\\lambda$',
  α: '$\\alpha$',
  δ: '$\\delta$',
  σ: '$\\sigma$',
  Σ: '$\\Sigma$',
  '−': '$-$',
  '·': '$\\cdot$',
  '≈': '$\\approx$',
  '₁': '$_1$',
  '₂': '$_2$',
  '₃': '$_3$',
  '₄': '$_4$',
  ᵢ: '$_i$',
  ₖ: '$_k$',
  '≥': '$\\ge$',
  '≤': '$\\le$',
  '∞': '$\\infty$',
  '√': '$\\sqrt{}$',
  '→': '$\\to$',
  '–': '--',
  '‖': '$\\|$',
  '∇': '$\\nabla$',
  '…': '\\dots{}',
  ₕ: '$_H$',
  '%': '\\%',
  '&': '\\&',
  '#': '\\#',
  '^': '\\^{}',
  '{': '\\{',
  '}': '\\}',
  '~': '\\~{}',
  '\\': '\\textbackslash{}',
};

/** Words as LaTeX has them. */
function toTex(words) {
  const raised = (run) =>
    `$^{${[...run]
      .map((sign) => '⁰¹²³⁴⁵⁶⁷⁸⁹⁻'.indexOf(sign))
      .map((n) => (n > 9 ? '-' : n))
      .join('')}}$`;
  const lowered = (run) => `$_${run[1]}$`;
  const parts = String(words).split(/([⁰¹²³⁴⁵⁶⁷⁸⁹⁻]+|_\w)/);
  return parts
    .map((part, n) =>
      n % 2
        ? part[0] === '_'
          ? lowered(part)
          : raised(part)
        : [...part].map((sign) => SIGNS[sign] ?? sign).join(''),
    )
    .join('');
}

const number = (v) => (Number.isFinite(v) ? String(Number(v.toPrecision(8))) : 'nan');
const pair = ([x, y]) => `(${number(x)},${number(y)})`;
const MARKS = { dot: '*', ring: 'o', square: 'square*', cross: 'x' };

/** The figure as a tikzpicture. */
export function toLatex(figure, source) {
  const colours = palette(false);
  const at = layout(figure);
  const items = [...figure.items, ...rulerItems(figure, at)];
  const used = new Set(items.map((item) => item.colour ?? 'ink'));
  const named = [...used].map(
    (name) => `\\definecolor{ufm${name}}{HTML}{${colours[name].slice(1).toUpperCase()}}`,
  );
  const options = [
    'width=0.9\\linewidth',
    `height=${number((0.9 * at.height) / at.width)}\\linewidth`,
    'scale only axis=false',
    'clip=true',
    `xlabel={${toTex(figure.x.label ?? '')}}`,
    `ylabel={${toTex(figure.y.label ?? '')}}`,
    `xmin=${number(at.x.low)}`,
    `xmax=${number(at.x.high)}`,
    `ymin=${number(at.y.low)}`,
    `ymax=${number(at.y.high)}`,
    ...(at.x.log ? ['xmode=log'] : []),
    ...(at.y.log ? ['ymode=log'] : []),
    ...(figure.bare ? ['hide axis'] : []),
    ...(figure.equal ? ['axis equal image'] : []),
  ];
  const body = items.map(itemTex).filter(Boolean);
  return [
    `% ${figure.title}`,
    ...figure.caption.split('\n').map((line) => `% ${line}`),
    `% made by: ${source.replaceAll('\n', ' && ')}`,
    ...named,
    '\\begin{tikzpicture}',
    `\\begin{axis}[${options.join(', ')}]`,
    ...body,
    '\\end{axis}',
    '\\end{tikzpicture}',
    '',
  ].join('\n');
}

function itemTex(item) {
  const colour = `ufm${item.colour ?? 'ink'}`;
  if (item.kind === 'text')
    return `\\node[${colour}] at (axis cs:${pair(item.at).slice(1, -1)}) {${toTex(item.text)}};`;
  if (item.kind === 'arrow') {
    const [from, to] = [item.from, item.to].map((point) => `(axis cs:${pair(point).slice(1, -1)})`);
    const label = item.label ? ` node[${colour}, pos=1.12] {${toTex(item.label)}}` : '';
    return `\\draw[->, thick, ${colour}] ${from} -- ${to}${label};`;
  }
  if (!item.points.length) return '';
  const points = item.points.map(pair).join(' ');
  if (item.kind === 'points') {
    return `\\addplot[only marks, mark=${MARKS[item.shape ?? 'dot']}, ${colour}] coordinates {${points}};`;
  }
  if (item.kind === 'area') return `\\addplot[draw=none, fill=${colour}] coordinates {${points}} -- cycle;`;
  const dash = item.dash ? ', dashed' : '';
  const label = item.label ? ` node[pos=0.9, above, ${colour}] {${toTex(item.label)}}` : '';
  return `\\addplot[${colour}, thick${dash}] coordinates {${points}}${label};`;
}
