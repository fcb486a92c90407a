export { type ClosableTransport, type Credentials, httpTransport } from './kernel/transport.ts'
