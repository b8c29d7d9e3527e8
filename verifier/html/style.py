"""The page's only style sheet: light and dark by the reader's preference, narrow screens, and paper."""

STYLE = """
:root{color-scheme:light dark;--page:#fff;--ink:#1b1f24;--soft:#57606a;--line:#d0d7de;--box:#f6f8fa;
--good:#116329;--bad:#a40e26;--open:#7d4e00;--weak:#0a3069;--goodbox:#dafbe1;--badbox:#ffebe9;--openbox:#fff8c5}
@media(prefers-color-scheme:dark){:root{--page:#0d1117;--ink:#e6edf3;--soft:#9da7b3;--line:#373e47;--box:#161b22;
--good:#56d364;--bad:#ff8f87;--open:#e3b341;--weak:#79c0ff;--goodbox:#0f2a18;--badbox:#3a1416;--openbox:#332701}}
*{box-sizing:border-box}
body{margin:0 auto;max-width:68rem;padding:1.5rem 1.25rem 4rem;background:var(--page);color:var(--ink);overflow-wrap:anywhere;
font:16px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif}
h1{font-size:1rem;font-weight:600;color:var(--soft);margin:0 0 .75rem}
h2{font-size:1.25rem;margin:2.5rem 0 .75rem;padding-bottom:.3rem;border-bottom:1px solid var(--line)}
h3{font-size:1rem;margin:1.25rem 0 .4rem}
p{margin:.4rem 0}
code,.mono{font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,"Liberation Mono",monospace;font-size:.86em;
overflow-wrap:anywhere}
pre{margin:.2rem 0;padding:.5rem .65rem;background:var(--box);border:1px solid var(--line);border-radius:6px;
white-space:pre-wrap;overflow-wrap:anywhere}
.verdict{border:1px solid var(--line);border-left:.5rem solid var(--soft);border-radius:8px;padding:1rem 1.25rem}
.verdict p:first-child{font-size:1.6rem;font-weight:700;margin:0 0 .25rem;line-height:1.2}
.verdict p:first-child code{font-size:.6em;font-weight:600;margin-left:.6rem}
.verdict.good{border-left-color:var(--good);background:var(--goodbox)}
.verdict.bad{border-left-color:var(--bad);background:var(--badbox)}
.verdict.open{border-left-color:var(--open);background:var(--openbox)}
table{border-collapse:collapse;width:100%;margin:.25rem 0 1rem;font-size:.9rem}
caption{text-align:left;font-weight:600;padding:.6rem 0 .3rem}
tr{break-inside:avoid}
th,td{text-align:left;vertical-align:top;padding:.32rem .6rem .32rem 0;border-bottom:1px solid var(--line);overflow-wrap:anywhere}
thead th{color:var(--soft);font-weight:600;font-size:.8rem}
tbody th{font-weight:500}
.checks{table-layout:fixed}.checks th:nth-child(1){width:7rem}.checks th:nth-child(2){width:4.5rem}
.checks th:nth-child(3){width:11rem}.checks td:nth-child(2){font-variant-numeric:tabular-nums}
.checks caption{padding-top:.2rem;font-weight:500;color:var(--soft)}
.unseen{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%)}
.mark{font-weight:700;white-space:nowrap}
.good .mark,.mark.good{color:var(--good)}.bad .mark,.mark.bad{color:var(--bad)}
.open .mark,.mark.open{color:var(--open)}.weak .mark,.mark.weak{color:var(--weak)}
.verdict .mark,.timeline .mark{white-space:normal}
.checks tr.bad,.packs tr.bad{background:var(--badbox)}
.packs{table-layout:fixed}.packs thead th:nth-child(1){width:7.5rem}.packs thead th:nth-child(2){width:15rem}
.packs thead th:nth-child(3){width:13rem}.packs td:first-child,.packs thead th:first-child{padding-left:.4rem}
.packs .who{color:var(--soft);font-size:.86rem}
.checks td:first-child{padding-left:.4rem}.checks th:first-child{padding-left:.4rem}
ul ul{columns:2;margin:.15rem 0}ul ul li{break-inside:avoid}
.facts th{width:11rem;color:var(--soft)}
ul{padding-left:1.2rem}li{margin:.25rem 0}
.timeline{list-style:none;margin:0;padding:0}
.timeline li{position:relative;margin:0;padding:.15rem 0 .85rem 3.75rem;break-inside:avoid}
.timeline li::before{content:"";position:absolute;left:2.86rem;top:1.1rem;bottom:-.5rem;width:2px;background:var(--line)}
.timeline li:last-child::before{display:none}
.timeline .index{position:absolute;left:0;top:.15rem;width:2.1rem;text-align:right;font-variant-numeric:tabular-nums;
color:var(--soft)}
.timeline svg{position:absolute;left:2.45rem;top:.4rem;width:.95rem;height:.95rem}
.timeline.wide li{padding-left:8rem}.timeline.wide .index{width:6.3rem}.timeline.wide svg{left:6.7rem}
.timeline.wide li::before{left:7.11rem}
.timeline .says{font-weight:600;overflow-wrap:anywhere}
.timeline .who{color:var(--soft);font-size:.86rem;overflow-wrap:anywhere}
.dot{fill:var(--page);stroke:var(--soft);stroke-width:2}.dot.good{fill:var(--good);stroke:var(--good)}
.dot.bad{fill:var(--page);stroke:var(--bad);stroke-width:3}.dot.open{stroke:var(--open)}
details{border:1px solid var(--line);border-radius:6px;margin:.4rem 0;padding:0 .75rem}
details[open]{padding-bottom:.6rem}
summary{cursor:pointer;padding:.45rem 0;font-weight:600;overflow-wrap:anywhere}
summary:focus-visible,a:focus-visible{outline:2px solid var(--weak);outline-offset:2px}
.drawing{overflow-x:auto}
.drawing svg{display:block;min-width:30rem;max-width:44rem;width:100%;height:auto}
.drawing text{font:12px ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;fill:var(--ink)}
.drawing .soft{fill:var(--soft)}
.drawing rect{fill:var(--box);stroke:var(--line)}
.drawing rect.own{stroke:var(--good);stroke-width:2}.drawing rect.sibling{stroke-dasharray:4 3;stroke:var(--soft)}
.drawing path{fill:none;stroke:var(--soft)}
.step{margin:.6rem 0 1rem}
.step>p:first-child{font-weight:600}
.label{color:var(--soft);font-size:.86rem;margin:.3rem 0 0}
@media(max-width:40rem){body{padding:1rem .8rem 3rem;font-size:15px}
.checks thead{display:none}.checks tr{display:block;padding:.35rem 0;border-bottom:1px solid var(--line)}
.checks td,.checks th{display:inline;border:0;padding:0 .35rem 0 0;width:auto!important}
.checks td:first-child{padding-left:0}.checks tr.bad{padding:.35rem .3rem}
.checks td:last-child{display:block}.checks td:nth-child(2):not(:empty)::before{content:"entry "}
ul ul{columns:1}.packs thead{display:none}.packs tr{display:block;padding:.35rem 0;border-bottom:1px solid var(--line)}
.packs td,.packs th{display:block;border:0;padding:0 .35rem;width:auto!important}
.facts th,.facts td{display:block;width:auto;border:0;padding:0}.facts tr{display:block;padding:.3rem 0;
border-bottom:1px solid var(--line)}
.timeline li{padding-left:3.1rem}.timeline .index{width:2rem;font-size:.8rem}.timeline svg{left:2.1rem}
.timeline li::before,.timeline.wide li::before{left:2.51rem}.timeline.wide li{padding-left:3.1rem}
.timeline.wide .index{position:static;display:block;width:auto;text-align:left}.timeline.wide svg{left:2.1rem}}
@media print{:root{color-scheme:light;--page:#fff;--ink:#000;--soft:#444;--line:#999;--box:#fff;--good:#0a4d1c;--bad:#8b0a1e;
--open:#5c3a00;--weak:#0a3069;--goodbox:#fff;--badbox:#fff;--openbox:#fff}
body{max-width:none;padding:0;font-size:10pt}h2{break-after:avoid}tr,.step,.verdict{break-inside:avoid}
summary{list-style:none}a{color:inherit}@page{margin:18mm 15mm}}
"""
