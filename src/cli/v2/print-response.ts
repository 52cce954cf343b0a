/** Answers about keys as users see them: simple, extended or json. */
import type { Io } from "../framework/io.ts";
import { goJsonText } from "./auth-api.ts";
import type { KeyNode, KeyResponse } from "./keys-api.ts";

export function printResponse(io: Io, response: KeyResponse, format: string): void {
  switch (format) {
    case "simple":
      io.out(
        response.action === "delete"
          ? `PrevNode.Value: ${response.prevNode?.value ?? ""}\n`
          : `${response.node.value}\n`,
      );
      break;
    case "extended":
      io.out(extendedText(response));
      break;
    case "json":
      io.out(`${jsonText(response)}\n`);
      break;
    default:
      io.err(`Unsupported output format: ${format}\n`);
  }
}

function extendedText({ action, node, prevNode, index }: KeyResponse): string {
  const lines = [
    `Key: ${node.key}`,
    `Created-Index: ${node.createdIndex}`,
    `Modified-Index: ${node.modifiedIndex}`,
    ...(prevNode === undefined ? [] : [`PrevNode.Value: ${prevNode.value}`]),
    `TTL: ${node.ttl}`,
    `Index: ${index}`,
    ...(action === "delete" ? [] : ["", node.value]),
  ];
  return `${lines.join("\n")}\n`;
}

function jsonText({ action, node, prevNode }: KeyResponse): string {
  const previous = prevNode === undefined ? null : jsonNode(prevNode);
  return goJsonText({ action, node: jsonNode(node), prevNode: previous });
}

function jsonNode(node: KeyNode): Readonly<Record<string, unknown>> {
  return {
    key: node.key,
    ...(node.dir ? { dir: true } : {}),
    value: node.value,
    nodes: node.nodes?.map(jsonNode) ?? null,
    createdIndex: node.createdIndex,
    modifiedIndex: node.modifiedIndex,
    ...(node.expiration === undefined ? {} : { expiration: node.expiration }),
    ...(node.ttl === 0 ? {} : { ttl: node.ttl }),
  };
}
