// Quadrature: laws of a mixing weight as nodes lam, colam = 1 - lam (each to full accuracy) and weights of sum one.
//
// Integrands are smooth in t = logit lam, with layers where lam is about 1/a. On the whole line the trapezoid rule
// converges geometrically; beyond |t| = REACH an integrand is what it is at lam = 0 or 1, and the rest of the rule
// is a geometric series.

const REACH = 80;
const DROP = 42; // in units of log: where a density is cut

/** log of the density of t, lam ~ Beta(a, b), less its value at the mode. */
function logDensity(a, b, mode, t) {
  const u = t - mode;
  return a * u - (a + b) * Math.log1p((a / (a + b)) * Math.expm1(u));
}

/** Beta(a, b) by the trapezoid rule in t; fine: how many times finer than a step of 1/4. */
export function betaRule(a, b, fine = 1) {
  const mode = Math.log(a / b);
  const width = Math.sqrt(1 / a + 1 / b); // of the density where it is narrow
  const h = Math.min(0.25, 0.5 * width) / fine;
  const lam = [];
  const colam = [];
  const weight = [];
  const add = (t, w) => {
    lam.push(1 / (1 + Math.exp(-t)));
    colam.push(1 / (1 + Math.exp(t)));
    weight.push(w);
  };
  for (const sign of [1, -1]) {
    const rate = sign > 0 ? b : a; // of the tail
    for (let n = sign > 0 ? 0 : 1; ; n++) {
      const t = mode + sign * n * h;
      const log = logDensity(a, b, mode, t);
      if (log < -DROP) break;
      if (sign * t > REACH) {
        // the rest of the rule, all of it at the end
        const rest = Math.exp(log) / -Math.expm1(-rate * h);
        lam.push(sign > 0 ? 1 : 0);
        colam.push(sign > 0 ? 0 : 1);
        weight.push(rest);
        break;
      }
      add(t, Math.exp(log));
    }
  }
  return normalised({ lam, colam, weight });
}

function normalised(rule) {
  const total = rule.weight.reduce((sum, w) => sum + w, 0);
  return {
    lam: Float64Array.from(rule.lam),
    colam: Float64Array.from(rule.colam),
    weight: Float64Array.from(rule.weight, (w) => w / total),
  };
}

/** A law that is symmetric about 1/2, by its half lam >= 1/2. */
export function folded(rule) {
  const keep = [...rule.lam.keys()].filter((n) => rule.lam[n] >= rule.colam[n]);
  const middle = (n) => (rule.lam[n] === rule.colam[n] ? 0.5 : 1);
  return normalised({
    lam: keep.map((n) => rule.lam[n]),
    colam: keep.map((n) => rule.colam[n]),
    weight: keep.map((n) => middle(n) * rule.weight[n]),
  });
}

/** Gauss-Legendre nodes and weights on [low, high], by Newton on the Legendre polynomial. */
function legendre(low, high, count) {
  const x = new Float64Array(count);
  const w = new Float64Array(count);
  for (let n = 0; n < count; n++) {
    let t = Math.cos((Math.PI * (n + 0.75)) / (count + 0.5));
    let slope = 1;
    for (let step = 0; step < 20; step++) {
      let [before, value] = [1, t];
      for (let k = 2; k <= count; k++) {
        [before, value] = [value, ((2 * k - 1) * t * value - (k - 1) * before) / k];
      }
      slope = (count * (t * value - before)) / (t * t - 1);
      const move = value / slope;
      t -= move;
      if (Math.abs(move) < 1e-15) break;
    }
    x[n] = low + ((high - low) * (1 - t)) / 2;
    w[n] = (high - low) / ((1 - t * t) * slope * slope);
  }
  return { x, w };
}

/**
 * CutMix: 1 - lam = s v, s ~ Beta(alpha, alpha) the box's area and v the share of it inside the image. Along an
 * axis a box of side w = sqrt(s) keeps all of itself with probability 1 - w, else a share uniform on [1/2, 1].
 */
export function cutmixRule(alpha, fine = 1) {
  const area = betaRule(alpha, alpha, fine);
  const cut = shares();
  const bins = new Bins(1 / fine);
  for (let n = 0; n < area.weight.length; n++) {
    // lam of the law is that of the image: lam_0 = 1 - s
    const [s, kept] = [area.colam[n], area.lam[n]];
    const w = Math.sqrt(s);
    const mass = area.weight[n];
    bins.add(kept, s, mass * (1 - w) ** 2);
    for (const { lost, one, two } of cut) {
      bins.add(kept + s * lost, s * (1 - lost), mass * (2 * w * (1 - w) * one + w * w * two));
    }
  }
  return normalised(bins.rule());
}

/** Nodes of 1 - v < 3/4 with weights of one axis cut, density 2, and of both: 4 log 4v below 1/2, else -4 log v. */
function shares() {
  const found = [];
  // panels in -log 2(1 - v); short ones first, as log v is singular at v = 0
  const edges = [0, 0.8, 2, 4, 8, 12, 16, 20, 24, 28, 32, 36, 40, 44];
  for (let panel = 1; panel < edges.length; panel++) {
    const { x, w } = legendre(edges[panel - 1], edges[panel], 16);
    for (let n = 0; n < 16; n++) {
      const lost = 0.5 * Math.exp(-x[n]);
      found.push({ lost, one: 2 * w[n] * lost, two: -4 * Math.log1p(-lost) * w[n] * lost });
    }
  }
  const { x, w } = legendre(0.25, 0.5, 24);
  for (let n = 0; n < 24; n++) found.push({ lost: 1 - x[n], one: 0, two: 4 * Math.log(4 * x[n]) * w[n] });
  return found;
}

const NODES = 16;

/** Many points of a law of lam, as weights on 16 Gauss nodes a cell of t: moments up to degree 15 are kept. */
class Bins {
  constructor(width) {
    this.width = width;
    this.cells = new Map();
    this.ends = [0, 0];
    this.gauss = legendre(0, 1, NODES).x;
    this.factor = this.gauss.map((x, n) => this.gauss.reduce((f, y, m) => (m === n ? f : f / (x - y)), 1));
  }

  add(lam, colam, mass) {
    if (!(mass > 1e-40)) return;
    const t = Math.log(lam) - Math.log(colam);
    if (!(Math.abs(t) < REACH)) {
      this.ends[t > 0 ? 1 : 0] += mass;
      return;
    }
    const cell = Math.floor(t / this.width);
    let weight = this.cells.get(cell);
    if (!weight) this.cells.set(cell, (weight = new Float64Array(NODES)));
    const x = t / this.width - cell;
    let product = 1;
    for (let n = 0; n < NODES; n++) {
      const apart = x - this.gauss[n];
      if (apart === 0) {
        weight[n] += mass;
        return;
      }
      product *= apart;
    }
    for (let n = 0; n < NODES; n++) weight[n] += (mass * product * this.factor[n]) / (x - this.gauss[n]);
  }

  rule() {
    const [lam, colam, weight] = [[0, 1], [1, 0], [...this.ends]];
    for (const [cell, shares] of this.cells) {
      for (let n = 0; n < NODES; n++) {
        const t = (cell + this.gauss[n]) * this.width;
        lam.push(1 / (1 + Math.exp(-t)));
        colam.push(1 / (1 + Math.exp(t)));
        weight.push(shares[n]);
      }
    }
    return { lam, colam, weight };
  }
}

/** Gauss rule of a law of lam in u = tanh(t/12), which resolves its layers; by Lanczos. That of the package has the
 *  law's second moment as well. */
export function edgeGauss(rule, nodes) {
  const { x, w } = lanczos(edge(rule), rule.weight, nodes);
  return fromEdge(x, w);
}

/** The half lam >= 1/2 of the Gauss rule of 2 `nodes` of a symmetric law: a Gauss rule in u^2. */
export function evenGauss(rule, nodes) {
  const half = folded(rule);
  const squares = edge(half).map((u) => u * u);
  const { x, w } = lanczos(squares, half.weight, nodes);
  return fromEdge(
    x.map((s) => Math.sqrt(Math.max(0, s))),
    w,
  );
}

/** The same law of 1 - lam. */
export function mirrored({ lam, colam, weight }) {
  return { lam: colam, colam: lam, weight };
}

/** u = tanh(t/12) of a rule's nodes. */
function edge({ lam, colam }) {
  const cut = (t) => Math.max(-REACH, Math.min(REACH, t));
  return lam.map((v, n) => Math.tanh(cut(Math.log(v) - Math.log(colam[n])) / 12));
}

function fromEdge(x, w) {
  const back = x.map((u) => 12 * Math.atanh(Math.max(-1 + 1e-12, Math.min(1 - 1e-12, u))));
  return normalised({
    lam: back.map((v) => 1 / (1 + Math.exp(-v))),
    colam: back.map((v) => 1 / (1 + Math.exp(v))),
    weight: w,
  });
}

/** N-point Gauss rule of a discrete measure: Lanczos with reorthogonalisation, then the Jacobi matrix. */
function lanczos(x, weight, nodes) {
  const steps = Math.min(nodes, x.length);
  const basis = [weight.map(Math.sqrt)];
  const diagonal = [];
  const off = [];
  for (let n = 0; n < steps; n++) {
    const v = basis[n].map((b, k) => b * x[k]);
    diagonal.push(dot(v, basis[n]));
    for (const b of basis) {
      const share = dot(v, b);
      for (let k = 0; k < v.length; k++) v[k] -= share * b[k];
    }
    const norm = Math.sqrt(dot(v, v));
    if (norm < 1e-13) break;
    off.push(norm);
    basis.push(v.map((t) => t / norm));
  }
  return tridiagonal(diagonal, off);
}

function dot(a, b) {
  let sum = 0;
  for (let k = 0; k < a.length; k++) sum += a[k] * b[k];
  return sum;
}

/** Eigenvalues of a symmetric tridiagonal matrix, and the squares of the first entries of its eigenvectors. */
function tridiagonal(diagonal, offDiagonal) {
  const n = diagonal.length;
  const d = Float64Array.from(diagonal);
  const e = new Float64Array(n);
  for (let k = 0; k < n - 1; k++) e[k] = offDiagonal[k];
  const first = new Float64Array(n);
  first[0] = 1;
  for (let l = 0; l < n; l++) {
    for (let sweep = 0; sweep < 60; sweep++) {
      let m = l;
      while (m < n - 1 && Math.abs(e[m]) > 1e-17 * (Math.abs(d[m]) + Math.abs(d[m + 1]))) m++;
      if (m === l) break;
      implicitStep(d, e, first, l, m);
    }
  }
  return { x: d, w: first.map((v) => v * v) };
}

/** One QL step with Wilkinson's shift on rows l..m; first: the first row of the eigenvectors. */
function implicitStep(d, e, first, l, m) {
  const half = (d[l + 1] - d[l]) / (2 * e[l]);
  const root = Math.hypot(half, 1);
  let g = d[m] - d[l] + e[l] / (half + (half < 0 ? -root : root));
  let [sine, cosine, p] = [1, 1, 0];
  for (let k = m - 1; k >= l; k--) {
    const f = sine * e[k];
    const b = cosine * e[k];
    const length = Math.hypot(f, g);
    e[k + 1] = length;
    if (length === 0) {
      d[k + 1] -= p;
      e[m] = 0;
      return;
    }
    sine = f / length;
    cosine = g / length;
    const shifted = d[k + 1] - p;
    const t = (d[k] - shifted) * sine + 2 * cosine * b;
    p = sine * t;
    d[k + 1] = shifted + p;
    g = cosine * t - b;
    [first[k], first[k + 1]] = [
      cosine * first[k] - sine * first[k + 1],
      sine * first[k] + cosine * first[k + 1],
    ];
  }
  d[l] -= p;
  e[l] = g;
  e[m] = 0;
}
