// A client's frame is masked: each byte of its payload was changed with a byte of the
// key (RFC 6455 5.3). Here the three bytes that belong together are found.

import { hex } from './words.js';

/** What is masked, if these parts are those of a masked frame. */
export function maskingOf(parts) {
  const [frame, payload] = parts;
  const key = frame?.fields.find((field) => field.name === 'masking key');
  const masked = frame?.fields.find((field) => field.name.startsWith('payload'));
  if (!key || !masked || !payload || payload.fields.length > 0) return null;
  return { key: key.from, masked: masked.from, to: masked.to };
}

/** The stretches that belong to a stretch of the payload, masked or not. */
export function counterparts(masking, { part, from, to }) {
  if (!masking) return [];
  const before = part === 0 ? masking.masked : 0;
  const start = from - before;
  const end = to - before;
  if (start < 0) return [];
  const both = [
    { part: 0, from: masking.masked + start, to: masking.masked + end },
    { part: 1, from: start, to: end },
  ];
  if (end - start !== 1) return both;
  const key = masking.key + (start % 4);
  return [...both, { part: 0, from: key, to: key + 1 }];
}

/** How a byte of the payload comes to be, or null if it is not one. */
export function unmaskedInWords(masking, parts, { part, from }) {
  if (!masking) return null;
  const at = part === 0 ? from - masking.masked : from;
  const masked = parts[0].bytes[masking.masked + at];
  const key = parts[0].bytes[masking.key + (at % 4)];
  if (at < 0 || masked === undefined || key === undefined) return null;
  const sum = `${hex(masked)} xor ${hex(key)} = ${hex(masked ^ key)}`;
  return `byte ${at} of the payload, with byte ${at % 4} of the key: ${sum}`;
}
