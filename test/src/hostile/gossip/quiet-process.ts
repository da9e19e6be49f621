/**
 * A process in which much goes wrong and nobody listens. No test: a test starts it, and it must print nothing.
 *
 * Wrong proofs, garbage, forgeries, payloads that can't be decoded, rules that throw, streams that are cut.
 */
import { Gossip, publicTopicKey } from '@hearsay/gossip'
import { connectRaw, RawAuthor } from '../../support/raw-peer.js'
import { noisePair } from '../../support/streams.js'
import { turns } from '../../support/until.js'

const topicKey = publicTopicKey('cats')
const gossip = new Gossip()
const topic = gossip.join('cats', {
  validate(message) {
    if (message.data === 'throw') throw new TypeError('in a rule')
    return message.data === 'reject' ? 'reject' : 'accept'
  }
})

const friend = new Gossip()
const { a, b } = noisePair()
friend.attach(a)
gossip.attach(b)
const other = friend.join('cats')
await other.publish('hello', { waitForPeers: 1 })
for (const word of ['throw', 'reject']) await other.publish(word)

const author = new RawAuthor(topicKey)
for (let kind = 0; kind < 12; kind++) {
  const peer = await connectRaw(gossip, topicKey)
  peer.open(kind === 0 ? new Uint8Array(50) : kind === 1 ? peer.hello({ version: 3 }) : peer.hello())
  await turns(5)
  peer.push(author.sign([new Uint8Array([0xc1])], { seq0: kind }))
  peer.push({ ...author.batch(['forged'], { seq0: 100 + kind }), signature: new Uint8Array(64) })
  peer.send(kind, new Uint8Array(100).fill(kind + 1))
  await turns(5)
  if (kind % 2 === 0) peer.stream.write(new Uint8Array(1000).fill(kind))
  await turns(2)
  peer.stream.destroy(kind % 3 === 0 ? new Error('cut') : undefined)
}
await topic.publish(() => {}).catch(() => {})
await turns(20)
await Promise.all([gossip.close(), friend.close()])
await topic.publish('closed').catch(() => {})
a.destroy()
