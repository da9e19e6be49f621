import { duplexPair } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import test from 'ava'
import { newParty, until } from './support-parties.js'

test('the stream of replicate() is one for Node: its pipe() and pipeline() take it, in both directions', async t => {
  const a = await newParty(t, 1)
  const b = await newParty(t, 2)
  const [left, right] = duplexPair()
  // The compiler checks the own type of these streams against what Node asks for.
  const stream: NodeJS.ReadWriteStream = a.replicate(true)
  const piped = pipeline(left, stream, left)
  right.pipe(b.replicate(false)).pipe(right)
  await until('they have met', () => a.peers.size === 1 && b.peers.size === 1)
  await Promise.all([a.close(), b.close()])
  await piped.catch(() => {}) // one side may go before the other has ended
  t.true(left.destroyed || left.writableEnded)
})
