// What stands on the page: the state, its view, and the figures, painted where they can be seen.

import { escape, rich, say } from '../figures/format.js';
import { palette, toSvg } from '../figures/svg.js';

/** Held by all modules of the page: state, view, network, and the figures by their places. */
export const stage = { state: null, view: null, network: null, drawn: new Map(), held: false };

const night = matchMedia('(prefers-color-scheme: dark)');
const texts = new WeakMap();
const seen = new Set();

export const el = (id) => document.getElementById(id);

export function dark() {
  const chosen = document.documentElement.dataset.theme;
  return chosen ? chosen === 'dark' : night.matches;
}

/** Call when the reader's scheme of colours changes. */
export function onNight(then) {
  night.addEventListener('change', then);
}

/** Only what has changed. */
export function fill(place, text) {
  if (texts.get(place) !== text) place.innerHTML = text;
  texts.set(place, text);
}

/** While a hand drags, a frame does not shrink: what gets smaller is seen to get smaller. */
function steady(figure) {
  const before = stage.drawn.get(figure.id);
  if (!stage.held || !before || !figure.bare || before.equal !== figure.equal) return figure;
  const both = (one, other) => ({
    ...one,
    low: Math.min(one.low, other.low),
    high: Math.max(one.high, other.high),
  });
  return { ...figure, x: both(figure.x, before.x), y: both(figure.y, before.y) };
}

export function draw(made) {
  const figure = steady(made);
  stage.drawn.set(figure.id, figure);
  if (seen.has(figure.id)) paint(figure);
}

function paint(figure) {
  const place = el(figure.id);
  fill(place.querySelector('.picture'), toSvg(figure, palette(dark())));
  const title = place.querySelector('h2');
  if (title.textContent !== figure.title) title.textContent = figure.title;
  fill(place.querySelector('figcaption'), rich(figure.caption));
  if (place.querySelector('.numbers').open) place.querySelector('.numbers div').innerHTML = table(figure);
}

/** Only what is in sight is painted; what comes into sight is painted then. */
const watcher = new IntersectionObserver(
  (changes) => {
    for (const { target, isIntersecting } of changes) {
      if (!isIntersecting) {
        seen.delete(target.id);
        continue;
      }
      seen.add(target.id);
      if (stage.drawn.has(target.id)) paint(stage.drawn.get(target.id));
    }
  },
  { rootMargin: '300px' },
);

/** The numbers of a figure, for who cannot see it, and for copying: at most 25 rows a curve. */
function table(figure) {
  const parts = [];
  const head = (axis, otherwise) => `<th scope="col">${rich(axis.label || otherwise)}</th>`;
  for (const item of figure.items) {
    if (!item.points || item.points.length < 2 || item.kind === 'area') continue;
    const step = Math.ceil(item.points.length / 25);
    const rows = item.points.filter((_, n) => n % step === 0 || n === item.points.length - 1);
    const cells = rows.map(([x, y]) => `<tr><td>${say(x, 6)}</td><td>${say(y, 6)}</td></tr>`).join('');
    parts.push(
      `<table><caption>${rich(item.label || item.colour)}</caption>` +
        `<thead><tr>${head(figure.x, 'right')}${head(figure.y, 'up')}</tr></thead><tbody>${cells}</tbody></table>`,
    );
  }
  return parts.slice(0, 8).join('');
}

const KINDS = { svg: 'SVG', png: 'PNG', tex: 'LaTeX' };

/** A figure's place: heading, picture, caption, files, numbers. */
export function furnish(place) {
  const buttons = Object.entries(KINDS).map(
    ([kind, words]) =>
      `<button type="button" data-figure="${place.id}" data-kind="${kind}" ` +
      `aria-label="save ${escape(place.id)} as ${words}">${words}</button>`,
  );
  place.innerHTML =
    '<h2></h2><div class="picture"></div><figcaption></figcaption>' +
    `<div class="tools">${buttons.join('')}` +
    '<details class="numbers"><summary>Numbers</summary><div class="wide"></div></details></div>';
  place.querySelector('.numbers').addEventListener('toggle', () => {
    if (stage.drawn.has(place.id)) paint(stage.drawn.get(place.id));
  });
  seen.add(place.id);
  watcher.observe(place);
}
