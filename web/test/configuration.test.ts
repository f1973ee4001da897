import { describe, expect, test } from "vitest";
import { FORMS, shellQuoted, written, type Configuration } from "../src/configuration.js";

const floats = new Set(["optim.lr", "ratio", "alpha"]);
const params: Configuration = {
  "optim.lr": 1e-7,
  "optim.name": "sgd",
  ratio: 1,
  depth: 3,
  amp: true,
  bias: false,
  limit: null,
  layers: [64, 32],
};

test("Python is a dictionary with the full names, its floats are floats", () => {
  expect(written("Python", params, floats)).toBe(
    `{
    "optim.lr": 1.0e-7,
    "optim.name": "sgd",
    "ratio": 1.0,
    "depth": 3,
    "amp": True,
    "bias": False,
    "limit": None,
    "layers": [64, 32],
}`,
  );
});

test("JSON, YAML and TOML are nested at the dots, TOML has no null", () => {
  expect(JSON.parse(written("JSON", params, floats))).toEqual({
    optim: { lr: 1e-7, name: "sgd" },
    ratio: 1,
    depth: 3,
    amp: true,
    bias: false,
    limit: null,
    layers: [64, 32],
  });
  expect(written("YAML", params, floats)).toBe(
    `optim:
  lr: 1.0e-7
  name: sgd
ratio: 1.0
depth: 3
amp: true
bias: false
limit: null
layers: [64, 32]`,
  );
  expect(written("TOML", params, floats)).toBe(
    `ratio = 1.0
depth = 3
amp = true
bias = false
layers = [64, 32]
[optim]
lr = 1.0e-7
name = "sgd"`,
  );
});

test("a program's arguments: flags for what is true, nothing for what is false or None", () => {
  expect(written("Command line", params, floats)).toBe(
    "--optim.lr 1.0e-7 --optim.name sgd --ratio 1.0 --depth 3 --amp --layers 64,32",
  );
  expect(written("Command line", { name: "" }, floats)).toBe("--name=");
  expect(written("Environment", { "optim.lr": 0.1, naïve: "a b" }, floats)).toBe(
    "KILTER_PARAM_OPTIM_LR=0.1\nKILTER_PARAM_NA_VE='a b'",
  );
});

test("names that nest in one another stay flat", () => {
  expect(JSON.parse(written("JSON", { model: "svm", "model.C": 2 }, floats))).toEqual({ model: "svm", "model.C": 2 });
});

describe("hostile text", () => {
  const hostile = { "$(rm -rf ~)": "it's; `reboot`\n\u001b[2J", "</script>": "\u202eevil", yes: "no", "a: b": "- #1" };

  test.each(FORMS)("%s shows no control character and breaks no line", (form) => {
    const text = written(form, hostile, floats).replaceAll("\n", "");
    expect(text).not.toMatch(/[\p{Cc}\p{Cf}]/u);
  });

  test("comes back from JSON as it was", () => {
    expect(JSON.parse(written("JSON", hostile, floats))).toEqual(hostile);
  });

  test("is one word to a shell", () => {
    expect(shellQuoted("plain-1.0")).toBe("plain-1.0");
    expect(shellQuoted("it's $HOME")).toBe(`'it'"'"'s $HOME'`);
    expect(shellQuoted("a\u001b'b\\")).toBe("$'a\\u001b\\'b\\\\'");
  });

  test("what YAML would read as another type is in quotes", () => {
    expect(written("YAML", { yes: "no", a: "1e3", b: "null", c: "- x", d: "plain" }, floats)).toBe(
      `"yes": "no"\na: "1e3"\nb: "null"\nc: "- x"\nd: plain`,
    );
  });
});

test("an empty configuration is empty in every form", () => {
  expect(FORMS.map((form) => written(form, {}, floats))).toEqual(["{}", "{}", "{}", "", "", ""]);
});
