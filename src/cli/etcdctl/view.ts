/**
 * Output formats. A view is one answer in all the forms it has; `show` prints the one that
 * --write-out asks for and ends the command when there is none.
 */
import type { Invocation } from "../framework/command.ts";
import { ExitCode, exitWithError } from "../framework/exit.ts";
import { formatTable } from "../framework/table.ts";
import { goJson, type JsonValue } from "./go-json.ts";

const FORMATS = ["simple", "fields", "json", "protobuf", "table"] as const;

type Format = (typeof FORMATS)[number];

export interface Table {
  readonly headings: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

export interface View {
  readonly simple: (out: Printer) => void;
  readonly fields?: (out: Printer) => void;
  readonly json?: (out: Printer) => JsonValue;
  readonly protobuf?: () => Uint8Array;
  readonly table?: () => Table;
}

/** Where views print to. */
export class Printer {
  readonly hex: boolean;
  /** For `get --print-value-only`. */
  readonly valueOnly: boolean;
  readonly #parts: (string | Uint8Array)[] = [];

  constructor(hex: boolean, valueOnly: boolean) {
    this.hex = hex;
    this.valueOnly = valueOnly;
  }

  line(text: string): void {
    this.#parts.push(`${text}\n`);
  }

  /** A line of bytes that need not be text. */
  bytesLine(bytes: Uint8Array): void {
    this.#parts.push(bytes, "\n");
  }

  /** `"Name" : value`. */
  field(name: string, value: string | number | bigint | boolean): void {
    this.line(`"${name}" : ${value}`);
  }

  /** `"Name" : id`, in hexadecimal with --hex. */
  idField(name: string, id: bigint): void {
    this.field(name, this.hex ? id.toString(16) : id);
  }

  take(): Buffer {
    return Buffer.concat(
      this.#parts.map((part) => (typeof part === "string" ? Buffer.from(part) : part)),
    );
  }
}

export function formatOf(call: Invocation): Format {
  const wanted = call.flags.string("write-out");
  const format = FORMATS.find((each) => each === wanted);
  return format ?? exitWithError(ExitCode.BAD_FEATURE, "unsupported output format");
}

/** Ends the command before it asks anything if the format does not exist. */
export function selectFormat(call: Invocation): void {
  formatOf(call);
}

export function show(call: Invocation, view: View, valueOnly = false): void {
  const format = formatOf(call);
  const printer = new Printer(call.flags.bool("hex"), valueOnly);
  switch (format) {
    case "simple":
      view.simple(printer);
      break;
    case "fields":
      (view.fields ?? unsupported(format))(printer);
      break;
    case "json":
      printer.line(goJson((view.json ?? unsupported(format))(printer)));
      break;
    case "protobuf":
      call.io.out((view.protobuf ?? unsupported(format))());
      return;
    case "table": {
      const { headings, rows } = (view.table ?? unsupported(format))();
      call.io.out(formatTable(headings, rows));
      return;
    }
  }
  call.io.out(printer.take());
}

function unsupported(format: Format): never {
  return exitWithError(ExitCode.BAD_FEATURE, `${format} not supported as output format`);
}
