// SPDX-License-Identifier: MIT
/*
 * speedscope.js BUNDLE FILE: what the importer of speedscope makes of FILE, as lines of JSON, one a
 * profile: {"name", "unit", "total", "frames", "opened", "closed"}; the last two count how often a
 * frame began and ended.
 *
 * speedscope is a page for browsers. What a page loads by itself it loads by one function; that is
 * called here, and all else of the page finds nothing but things that do nothing.
 */
"use strict";
const fs = require("fs");
const path = require("path");
const vm = require("vm");

const [bundle, file] = process.argv.slice(2);

function nothing() {
	const self = new Proxy(function () {}, {
		get: (_, key) => (key === Symbol.toPrimitive ? () => "" : key === "length" ? 0 : self),
		apply: () => self,
		construct: () => self,
		set: () => true,
		has: () => true,
	});
	return self;
}

function page() {
	const window = {
		document: nothing(),
		localStorage: nothing(),
		navigator: { userAgent: "", platform: "" },
		location: { hash: "", href: "", protocol: "http:" },
		console: nothing(),
		devicePixelRatio: 1,
		addEventListener() {},
		matchMedia: () => nothing(),
		requestAnimationFrame: () => 0,
		setInterval: () => 0,
		performance,
		setTimeout,
		clearTimeout,
		TextDecoder,
		TextEncoder,
		Uint8Array,
		ArrayBuffer,
		DataView,
		atob,
		btoa,
	};
	window.window = window.self = window;
	return vm.createContext(window);
}

/* The function is told by its place in the page: its name is made anew with each build. */
function importer() {
	const source = fs.readFileSync(bundle, "utf8");
	const found = /loadFileFromBase64:\((\w+),(\w+)\)=>\{this\.loadProfile\(\(\)=>(\w+)\(\1,\2\)\)\}/.exec(source);
	const context = page();

	if (!found) throw new Error("this speedscope has no importer that is known");
	try {
		vm.runInContext(source.replace("(()=>{", `(()=>{self.importFile=(n,b)=>${found[3]}(n,b);`), context);
	} catch (error) {
		/* the page cannot be drawn; its functions are there */
	}
	return context.importFile;
}

async function main() {
	const group = await importer()(path.basename(file), fs.readFileSync(file).toString("base64"));

	for (const profile of group.profiles) {
		let frames = 0;
		let opened = 0;
		let closed = 0;
		profile.forEachFrame(() => frames++);
		profile.forEachCall(() => opened++, () => closed++);
		console.log(JSON.stringify({
			name: profile.getName(),
			unit: profile.getWeightUnit(),
			total: profile.getTotalWeight(),
			frames,
			opened,
			closed,
		}));
	}
}

main().catch((error) => {
	console.error(`speedscope cannot read it: ${error}`);
	process.exit(1);
});
