/**
 * Two sets of feeds that know one key become the union of both, and the program ends.
 *
 *   node union.js STORAGE      STORAGE: a folder for both, made if needed
 */
import { randomBytes } from 'node:crypto'
import { Party, rules } from '@hearsay/party'
import { loopback } from './loopback.js'

const [storage] = process.argv.slice(2)
if (!storage) throw new TypeError('usage: union.js STORAGE')

// Who knows the key is a member; these rules take every feed that a member proves to be its own, up to a bound.
const key = randomBytes(32)
const alice = new Party({ key, storage: `${storage}/alice`, rules: rules.open() })
const bob = new Party({ key, storage: `${storage}/bob`, rules: rules.open() })
await Promise.all([alice.ready(), bob.ready()])
const sizes = (): string => `alice has ${alice.feeds.size}, bob has ${bob.feeds.size}`
console.log(`at first ${sizes()}`)

const foo = await alice.feeds.writer('log')
const bar = await bob.feeds.writer('log')
await foo.append(Buffer.from('foo'))
await bar.append(Buffer.from('bar'))
console.log(`with a writer each ${sizes()}`)
console.log(`asked again, the writer is the same: ${(await alice.feeds.writer('log')) === foo}`)

// A feed is told to others only when it is introduced; to those who connect later, too.
await alice.introduce(foo)
await bob.introduce(bar)

const [left, right] = await loopback()
alice.attach(left, { initiator: true })
bob.attach(right, { initiator: false })

// One-shot: resolves when each has what the other had when they met.
await Promise.all([alice.synced(), bob.synced()])
console.log(`in sync ${sizes()}`)
console.log(
  `alice reads ${await alice.feeds.get(bar.key)?.get(0)}, bob reads ${await bob.feeds.get(foo.key)?.get(0)}`
)

await Promise.all([alice.close(), bob.close()])
left.end()
