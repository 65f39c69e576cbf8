// ImageJ's gel analyser, driven as a person drives it: rectangles as lanes, Plot Lanes, a straight line under each
// peak, the wand inside it. And the other habit: Subtract Background, then the integrated density of a box.
//
// Jobs, one a line: P path | R x y w h (lanes from the left, all of one size) | G (plot) |
// B id lane foot1 peak foot2 valley1 valley2 (rows below the rectangle's top; 1: the lowest point from there on) | D id x y w h. Results: "gel id area", "box id density".
jobs = split(File.openAsString(getArgument()), "\n");
out = "";
lanes = 0; height = 0; gel = 0; ball = 0;
setBatchMode(false);
run("Gel Analyzer Options...", "vertical=1 horizontal=1");
for (j = 1; j < jobs.length; j++) {
    job = split(jobs[j], "\t");
    if (job[0] == "P") {
        run("Close All");
        open(job[1]);
        gel = getImageID();
        lanes = 0;
    } else if (job[0] == "R") {
        selectImage(gel);
        makeRectangle(parseInt(job[1]), parseInt(job[2]), parseInt(job[3]), parseInt(job[4]));
        if (lanes == 0) run("Select First Lane");
        else run("Select Next Lane");
        lanes++;
        height = parseInt(job[4]);
    } else if (job[0] == "G") {
        selectImage(gel);
        run("Plot Lanes");
        plot = getImageID();
        setForegroundColor(0, 0, 0);
        run("Line Width...", "line=1");
        panel = floor((getHeight() - 16) / lanes);
        scale = getWidth() / height;
        lanes = 0;
    } else if (job[0] == "B") {
        selectImage(plot);
        top = 16 + panel * parseInt(job[2]) + 2;
        left = maxOf(1, round(parseFloat(job[3]) * scale));
        middle = round(parseFloat(job[4]) * scale);
        right = minOf(getWidth() - 2, round(parseFloat(job[5]) * scale));
        if (parseInt(job[6]) == 1) left = valley(left, middle, top, panel);
        if (parseInt(job[7]) == 1) right = valley(middle, right, top, panel);
        from = line_at(left, top, panel);
        to = line_at(right, top, panel);
        crest = line_at(middle, top, panel);
        base = from + (to - from) * (middle - left) / maxOf(1, right - left);
        area = 0;
        if (base - crest > 3) {
            drawLine(left, from, right, to);
            doWand(middle, round((crest + base) / 2));
            getStatistics(area);
            run("Select None");
        }
        out = out + "gel\t" + job[1] + "\t" + area + "\n";
    } else if (job[0] == "S") {
        selectImage(gel);
        run("Select None");
        run("Subtract Background...", "rolling=50");
    } else if (job[0] == "D") {
        selectImage(gel);
        makeRectangle(parseInt(job[2]), parseInt(job[3]), parseInt(job[4]), parseInt(job[5]));
        getStatistics(n, mean);
        out = out + "box\t" + job[1] + "\t" + (n * mean) + "\n";
    }
}
File.saveString(out, jobs[0]);
run("Quit");

// The column of the lowest point of the profile between two columns.
function valley(start, stop, top, panel) {
    best = start;
    for (column = start; column <= stop; column++)
        if (line_at(column, top, panel) > line_at(best, top, panel)) best = column;
    return best;
}

// Where the profile runs in one column of a lane's panel: the first dark pixel from the top.
function line_at(column, top, panel) {
    for (row = top; row < top + panel - 2; row++)
        if (getPixel(column, row) < 128) return row;
    return top + panel - 2;
}
