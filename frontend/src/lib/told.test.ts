import i18next from "i18next";
import { beforeAll, describe, expect, it } from "vitest";
import { ApiProblem } from "../api/problem";
import { Format } from "./format";
import { speak, startI18n } from "./i18n";
import { filled, told } from "./told";

const FORMAT = new Format({ locale: "ko", currency: "USD", timeZone: "Asia/Seoul" });
const COLD = { celsius: 88, slowdownCelsius: 90 };

beforeAll(startI18n);

describe("what the server says", () => {
  it("is its own sentence in English", async () => {
    await speak("en");
    expect(told("finding", "hot", COLD, "88 °C, and …")).toBe("88 °C, and …");
  });

  it("is made of code and facts in Korean", async () => {
    await speak("ko");
    expect(told("finding", "hot", COLD, "88 °C, and …")).toBe(
      "현재 88 °C. 90 °C부터 클럭이 낮아집니다",
    );
  });

  it("is nothing in Korean where a fact is missing or nobody knows the code", async () => {
    await speak("ko");
    expect(told("finding", "hot", {}, "88 °C, and …")).toBeNull();
    expect(told("finding", "haunted", {}, "it is haunted")).toBeNull();
  });

  it("names what is wrong with a field in Korean, by its rule", async () => {
    await speak("ko");
    const errors = [
      { field: "count", rule: "less_than_equal", message: "too much", params: { le: 16 } },
      { field: "user", rule: "something-new", message: "is odd" },
    ];
    const problem = new ApiProblem({ status: 422, code: "X", title: "", detail: "", errors });
    expect(problem.fieldErrors).toEqual({
      count: "16 이하여야 합니다",
      user: "쓸 수 없는 값입니다",
    });
    await i18next.changeLanguage("en");
    expect(problem.fieldErrors).toEqual({ count: "too much", user: "is odd" });
  });
});

describe("gaps of a sentence", () => {
  it("are written as people of the language write them", () => {
    const facts = { cost: 1234.5, part: 0.125, wait: 5400, held: 2500, at: "2026-11-22T03:04:05Z" };
    const text =
      "{{cost|money}} {{part|ratio}} {{wait|duration}} {{held|gpus}} {{at}} {{gpus}} {{name}}";
    expect(filled(text, { ...facts, gpus: ["a", "b"], name: "x" }, FORMAT)).toBe(
      "US$1,235 13 % 1시간 30분 2.5 2026. 11. 22. 오후 12:04 a, b x",
    );
  });

  it("leave no half sentence behind", () => {
    expect(filled("{{cost|money}} a day", { cost: null }, FORMAT)).toBeNull();
  });
});
