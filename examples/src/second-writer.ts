/**
 * A second writer. Bob asks Alice, who founded the party, whether his feed may count; she authorizes it, and later revokes it.
 * Carol follows Alice's word.
 *
 *   node second-writer.js STORAGE      STORAGE: a folder for all three, made if needed
 */
import { Parties, Party, type PartyEvents, type PartyRules } from '@hearsay/party'
import { loopback } from './loopback.js'

const [storage] = process.argv.slice(2)
if (!storage) throw new TypeError('usage: second-writer.js STORAGE')

// What anybody introduces waits, until an admin of the party has authorized it.
const follow: PartyRules = {
  onIntroduceFeeds: ({ message }) => (message.authorized ? true : undefined)
}
const answer: PartyRules = {
  ...follow,
  async onRequest({ message }) {
    if (message.type !== 'may my feed count?') return null
    await alice.authorize(message.value as Uint8Array)
    return { type: 'it may' }
  }
}

/** What the next event of this name brings. */
function next<E extends keyof PartyEvents>(party: Party, event: E): Promise<Parameters<PartyEvents[E]>> {
  return new Promise(resolve => {
    party.once(event, ((...values: Parameters<PartyEvents[E]>) => resolve(values)) as never)
  })
}

// Who creates a party is its first admin; the others get its key.
const parties = new Parties({ storage: `${storage}/alice`, rules: { answer } })
const alice = await parties.create({ name: 'notes', rules: 'answer' })
const bob = new Party({ key: alice.key, storage: `${storage}/bob`, rules: follow })
const carol = new Party({ key: alice.key, storage: `${storage}/carol`, rules: follow })

const [fromBob, toBob] = await loopback()
const [fromCarol, toCarol] = await loopback()
const arrived = next(bob, 'peer-add')
bob.attach(fromBob, { initiator: true })
alice.attach(toBob, { initiator: false })
carol.attach(fromCarol, { initiator: true })
alice.attach(toCarol, { initiator: false })
const [toAlice] = await arrived

const feed = await bob.feeds.writer('notes')
await feed.append(Buffer.from('hello from bob'))
await bob.introduce(feed)
await carol.synced()
console.log(`before: carol has ${carol.feeds.size} feeds`)

const authorized = next(carol, 'feed')
const { type } = await toAlice.request({ type: 'may my feed count?', value: feed.key })
console.log(`bob asked, and alice said: ${type}`)
const [copy] = await authorized
console.log(`authorized: carol reads ${await copy.get(0)}`)

const heard = [next(bob, 'revoke'), next(carol, 'revoke')] as const
await alice.revoke(feed.key, { reason: 'enough' })
const [[, reason]] = await Promise.all(heard)
await feed
  .append(Buffer.from('more'))
  .catch((error: { code: string }) => console.log(`append: ${error.code}`))
console.log(`revoked (${reason}): carol has ${copy.length} block, and ${carol.feeds.size} feeds`)

for (const party of [bob, carol]) await party.close()
await parties.close()
fromBob.end()
fromCarol.end()
