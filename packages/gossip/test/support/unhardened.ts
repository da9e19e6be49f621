/**
 * A victim process: a plain Protomux that is sent nested batches. Ends with an uncaught RangeError.
 */
import Protomux from 'protomux'
import { noisePair } from './streams.js'

const [a, b] = noisePair()
Protomux.from(a)
Promise.all([a.opened, b.opened]).then(
  () => b.write(new Uint8Array(100_000).map((_, i) => (i === 0 ? 0 : ([0, 0, 253, 255, 255][i % 5] ?? 0)))),
  () => {}
)
