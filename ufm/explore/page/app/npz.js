// Arrays of a .npz file, read here: a zip of .npy parts, stored or deflated. Nothing is executed or sent.

/** {name: {shape, data}} of the numeric arrays; names: which ones to read. */
export async function readNpz(buffer, names) {
  const found = {};
  for (const { name, start, method, size } of entries(new DataView(buffer))) {
    const key = name.replace(/\.npy$/, '');
    if (!names.includes(key)) continue;
    const packed = new Uint8Array(buffer, start, size);
    found[key] = readNpy(method === 0 ? packed.slice().buffer : await inflated(packed, method), key);
  }
  return found;
}

async function inflated(packed, method) {
  if (method !== 8) throw new Error(`a part is packed by method ${method}, which is not read here`);
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream('deflate-raw'));
  return new Response(stream).arrayBuffer();
}

/** The central directory of a zip, 64-bit sizes included. */
function* entries(view) {
  let end = view.byteLength - 22;
  while (end >= 0 && view.getUint32(end, true) !== 0x06054b50) end--;
  if (end < 0) throw new Error('this is no .npz file: it has no directory of a zip');
  let count = view.getUint16(end + 10, true);
  let at = view.getUint32(end + 16, true);
  if (at === 0xffffffff || count === 0xffff) {
    const wide = Number(view.getBigUint64(end - 20 + 8, true));
    count = Number(view.getBigUint64(wide + 32, true));
    at = Number(view.getBigUint64(wide + 48, true));
  }
  for (let n = 0; n < count; n++) {
    if (view.getUint32(at, true) !== 0x02014b50) throw new Error('the directory of this .npz is damaged');
    const [nameSize, extraSize, noteSize] = [28, 30, 32].map((place) => view.getUint16(at + place, true));
    const name = new TextDecoder().decode(new Uint8Array(view.buffer, at + 46, nameSize));
    let [size, local] = [view.getUint32(at + 20, true), view.getUint32(at + 42, true)];
    const whole = view.getUint32(at + 24, true);
    let place = at + 46 + nameSize;
    for (const last = place + extraSize; place < last; place += 4 + view.getUint16(place + 2, true)) {
      if (view.getUint16(place, true) !== 1) continue;
      let wide = place + 4 + (whole === 0xffffffff ? 8 : 0);
      if (size === 0xffffffff) [size, wide] = [Number(view.getBigUint64(wide, true)), wide + 8];
      if (local === 0xffffffff) local = Number(view.getBigUint64(wide, true));
    }
    const start = local + 30 + view.getUint16(local + 26, true) + view.getUint16(local + 28, true);
    yield { name, start, method: view.getUint16(at + 10, true), size };
    at += 46 + nameSize + extraSize + noteSize;
  }
}

const KINDS = {
  f4: [4, (v, at, e) => v.getFloat32(at, e)],
  f8: [8, (v, at, e) => v.getFloat64(at, e)],
  i1: [1, (v, at) => v.getInt8(at)],
  u1: [1, (v, at) => v.getUint8(at)],
  b1: [1, (v, at) => v.getUint8(at)],
  i2: [2, (v, at, e) => v.getInt16(at, e)],
  u2: [2, (v, at, e) => v.getUint16(at, e)],
  i4: [4, (v, at, e) => v.getInt32(at, e)],
  u4: [4, (v, at, e) => v.getUint32(at, e)],
  i8: [8, (v, at, e) => Number(v.getBigInt64(at, e))],
  u8: [8, (v, at, e) => Number(v.getBigUint64(at, e))],
  f2: [2, (v, at, e) => half(v.getUint16(at, e))],
};

function half(bits) {
  const [sign, exponent, part] = [bits >> 15 ? -1 : 1, (bits >> 10) & 31, bits & 1023];
  if (exponent === 31) return part ? NaN : sign * Infinity;
  return sign * (exponent ? 2 ** (exponent - 15) * (1 + part / 1024) : (2 ** -14 * part) / 1024);
}

/** One array: shape and numbers, the last axis running fastest. */
function readNpy(buffer, name) {
  const view = new DataView(buffer);
  if (view.getUint32(0) !== 0x934e554d) throw new Error(`${name} is no array of NumPy`);
  const old = view.getUint8(6) === 1;
  const size = old ? view.getUint16(8, true) : view.getUint32(8, true);
  const begin = old ? 10 : 12;
  const head = new TextDecoder().decode(new Uint8Array(buffer, begin, size));
  const [, order, kind] = /'descr': '([<>|=])(\w+)'/.exec(head) ?? [];
  if (!KINDS[kind])
    throw new Error(
      `${name} holds ${kind && kind !== 'O' ? `numbers of the kind ${kind}` : 'objects'}, which are not read here`,
    );
  const shape = (/'shape': \(([^)]*)\)/.exec(head)?.[1] ?? '')
    .split(',')
    .filter((word) => word.trim())
    .map(Number);
  const [width, get] = KINDS[kind];
  const count = shape.reduce((product, n) => product * n, 1);
  if (begin + size + width * count > buffer.byteLength)
    throw new Error(`${name} ends before its ${count} numbers do`);
  const data = new Float64Array(count);
  for (let n = 0; n < count; n++) data[n] = get(view, begin + size + width * n, order !== '>');
  if (/'fortran_order': True/.test(head) && shape.length === 2) return { shape, data: transposed(data, shape) };
  return { shape, data };
}

function transposed(data, [rows, columns]) {
  const found = new Float64Array(data.length);
  for (let i = 0; i < rows; i++) for (let j = 0; j < columns; j++) found[i * columns + j] = data[j * rows + i];
  return found;
}
