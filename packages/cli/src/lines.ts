/**
 * Lines of a byte stream, one at a time, however the stream is cut.
 *
 * Only `\n` is a line break, as for all tools in a pipe; a carriage return before it belongs to the line. So what is
 * printed line by line at the other end is the same file again, byte for byte.
 */

/** A line without its break: text, or the bytes themselves when they aren't UTF-8. */
export type Line = string | Uint8Array

/** A line is longer than may be published. */
export class LineTooLong extends RangeError {
  readonly code = 'ERR_LINE_TOO_LONG'
}

const LINE_BREAK = 0x0a

/**
 * Splits a stream into lines. The last one needs no line break; nothing behind the last break is no line.
 *
 * @param chunks - The bytes.
 * @param maxBytes - Longest line; a longer one isn't collected any further.
 * @throws {LineTooLong} `ERR_LINE_TOO_LONG`, with the number of the line.
 */
export async function* linesOf(chunks: AsyncIterable<Uint8Array>, maxBytes: number): AsyncGenerator<Line> {
  let parts: Uint8Array[] = []
  let held = 0
  let number = 1
  const take = (bytes: Uint8Array) => {
    held += bytes.byteLength
    if (held > maxBytes) {
      throw new LineTooLong(
        `line ${number} is over ${maxBytes} bytes (maxMessageBytes); share a file as a feed`
      )
    }
    parts.push(bytes)
  }
  const line = (): Line => {
    const bytes = Buffer.concat(parts)
    parts = []
    held = 0
    number++
    return decode(bytes)
  }
  for await (const chunk of chunks) {
    let start = 0
    for (let at = chunk.indexOf(LINE_BREAK); at >= 0; at = chunk.indexOf(LINE_BREAK, start)) {
      take(chunk.subarray(start, at))
      yield line()
      start = at + 1
    }
    if (start < chunk.byteLength) take(chunk.subarray(start))
  }
  if (parts.length > 0) yield line()
}

// A byte order mark is part of the line like all else.
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

function decode(bytes: Uint8Array): Line {
  try {
    return utf8.decode(bytes)
  } catch {
    return bytes
  }
}
