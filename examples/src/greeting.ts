/**
 * Two copies of this program greet each other and leave.
 *
 *   node greeting.js [HOST:PORT]      HOST:PORT of a bootstrap node; without it the public DHT is asked
 */
import pubsub from '@hearsay/gossip/swarm'
import { bootstrapOf } from './bootstrap.js'

// Joins at once; the DHT sees neither the name nor the topic key.
const swarm = pubsub<{ hello: string }>('hearsay-example-greeting', bootstrapOf(process.argv[2]))
console.log(`I am ${swarm.id}`)

// A peer counts only after it proved that it knows the topic. What is published before is kept for the first one.
swarm.on('connected', () => void swarm.publish({ hello: swarm.id }))

// Every message was signed by its author, and comes once, whichever way it took.
for await (const { data, id } of swarm.messages()) {
  console.log(`${id} says hello, and calls itself ${data.hello}`)
  break
}

// Writes what was handed over, closes what pubsub() made, and lets the process end.
await swarm.destroy()
