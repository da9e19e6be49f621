/**
 * A process whose listener throws for every message. Prints what came of it.
 */
import { Gossip } from '@hearsay/gossip'
import { noisePair, until } from './streams.js'

const uncaught: string[] = []
const heard: unknown[] = []
process.on('uncaughtException', error => uncaught.push(error.message))
const [a, b] = [new Gossip(), new Gossip()]
const pair = noisePair()
a.attach(pair[0])
b.attach(pair[1])
const [topic, other] = [a.join('cats'), b.join('cats')]
other.on('message', () => {
  throw new TypeError('mine')
})
const reading = (async () => {
  for await (const { data } of other.messages()) heard.push(data)
})()
await until(() => topic.peers().length === 1)
// Three batches in one write, so that all wait behind the first listener that throws.
await Promise.all([0, 1, 2].map(i => topic.publish(i, { ttlMs: 1000 * (i + 1) })))
await until(() => heard.length === 3)
const peers = other.peers().length
await Promise.all([a.close(), b.close(), reading])
for (const stream of pair) stream.destroy()
process.stdout.write(JSON.stringify({ uncaught, heard, peers }))
