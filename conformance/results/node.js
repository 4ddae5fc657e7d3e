// The routes of the suite's fixtures on Node's own http module.
'use strict';
const http = require('node:http');

function dump(request, content) {
  const lines = [`${request.method} ${request.url} HTTP/${request.httpVersion}`];
  const pairs = (lead, raw) => {
    for (let i = 0; i < raw.length; i += 2) lines.push(`${lead}${raw[i].toLowerCase()}: ${raw[i + 1]}`);
  };
  pairs('', request.rawHeaders);
  lines.push('', `body-bytes: ${content.length}`);
  pairs('trailer ', request.rawTrailers);
  return Buffer.from(lines.join('\n') + '\n', 'latin1');
}

function answer(response, status, content) {
  response.writeHead(status, { 'Content-Type': 'text/plain', 'Content-Length': content.length });
  response.end(content);
}

function handle(request, response) {
  const path = new URL(request.url, 'http://any').pathname;
  if (request.url === '*') return answer(response, 501, 'no options');
  if (path === '/discard') return answer(response, 200, 'ok');
  const parts = [];
  request.on('data', (part) => parts.push(part));
  request.on('end', () => {
    const content = Buffer.concat(parts);
    const status = /^\/status\/(\d\d\d)$/.exec(path);
    if (path === '/') return answer(response, 200, 'ok');
    if (path === '/head') return answer(response, 200, 'hello');
    if (path === '/echo') return answer(response, 200, content);
    if (path === '/inspect') return answer(response, 200, dump(request, content));
    if (path === '/upgrade') return answer(response, 426, '');
    if (path === '/chunked') {
      response.writeHead(200, { 'Content-Type': 'text/plain' });
      for (const part of ['one', 'two', 'three']) response.write(part);
      return response.end();
    }
    if (status) {
      response.writeHead(Number(status[1]), ['204', '304'].includes(status[1]) ? {} : { 'Content-Length': 0 });
      return response.end();
    }
    answer(response, 404, 'not found');
  });
}

const server = http.createServer((request, response) => {
  try {
    handle(request, response);
  } catch {
    answer(response, 400, 'bad target');
  }
});
server.listen(Number(process.argv[2]), '127.0.0.1');
