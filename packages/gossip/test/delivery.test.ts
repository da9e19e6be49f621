import { encodingOf, keyId, LIMITS } from '@hearsay/gossip'
import test from 'ava'
import type { Batch } from '#gossip/core/types'
import { MessageMaker } from '#gossip/node/delivery'
import { Author, START_MS } from './support/core-rig.js'

const origin = { hops: 2, from: null }
const make = (onundecodable: (error: Error) => void = () => {}) =>
  new MessageMaker<unknown>('cats', encodingOf('utf-8', LIMITS) as never, onundecodable)

test('each message names its own author and run, however they take turns', t => {
  const maker = make()
  const authors = [new Author(8), new Author(9), new Author(8, { startMs: START_MS + 5 })]
  for (let round = 0; round < 2; round++) {
    for (const author of authors) {
      const batch = author.batch(round * 2, { texts: ['a', 'b'] })
      const messages = maker.take(batch, null, origin).map(({ message }) => message)
      t.deepEqual(
        messages.map(({ seq, data }) => [seq, data]),
        [
          [round * 2, 'a'],
          [round * 2 + 1, 'b']
        ]
      )
      for (const message of messages) {
        t.is(message.id, keyId(author.crypto.author))
        t.deepEqual(message.author, new Uint8Array(author.crypto.author))
        t.is(message.incarnation, author.ref.incarnationId)
        t.like(message, { topic: 'cats', hops: 2, from: null, createdAt: START_MS })
      }
    }
  }
})

test('whoever writes into the key of a message changes no other', t => {
  const maker = make()
  const batch = new Author(8).batch(0, { texts: ['a', 'b'] })
  const [first, second] = maker.take(batch, null, origin)
  first?.message.author.fill(0)
  t.deepEqual(second?.message.author, new Uint8Array(batch.ref.author))
  t.not(batch.ref.author[0], 0)
})

test('only what was accepted is made, and what a rule has seen is made once', t => {
  const faults: Error[] = []
  const maker = make(error => faults.push(error))
  const good = new Author(8).batch(0, { texts: ['a', 'b', 'c'] })
  t.deepEqual(
    maker.take(good, [0, 2], origin).map(({ message }) => message.seq),
    [0, 2]
  )
  const payloads = [new Uint8Array([0xff]), new Uint8Array([0x61])]
  const bad: Batch = { ...good, count: 2, payloads }
  const seen = maker.peek(bad, origin)
  t.is(seen[0], null)
  t.is(faults.length, 1)
  t.is(maker.take(bad, null, origin)[0], seen[1] as never)
  t.is(faults.length, 1)
})
