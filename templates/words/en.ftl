### The words of a slide's report and of its notice. A laboratory's own words/en.ftl may hold any of these messages
### instead (docs/templates.md); what it doesn't hold stays as it is here.
###
### `name = words`; further lines are indented. { $name } stands for a value, already written out with its unit;
### { $n -> [one] ... *[other] ... } chooses by a number, and { -name } is a term of this file. A message must not use
### other variables than these here. What is empty on purpose is written { "" }.

## The laboratory. Empty as it is shipped: it stands at the head of each page, beside the logo if there is one.

lab-name = { "" }
# What is read aloud instead of a logo without a name.
lab-logo = Logo of the laboratory

## Numbers, and what is counted. $n: the number to choose by; $count: the same, as it is to be read.

not-defined = not defined
yes = yes
no = no
red-green-blue = red { $red }, green { $green }, blue { $blue }
# A date, as Python's strftime takes it.
date-format = %Y-%m-%d %H:%M %Z
date-format-seconds = %Y-%m-%d %H:%M:%S %Z
foci = { $n ->
    [one] { $count } focus
   *[other] { $count } foci
}
patches = { $n ->
    [one] { $count } patch
   *[other] { $count } patches
}
patients = { $n ->
    [one] { $count } patient
   *[other] { $count } patients
}
slides = { $n ->
    [one] { $count } slide
   *[other] { $count } slides
}
orientations = { $n ->
    [one] { $count } orientation
   *[other] { $count } orientations
}
# From the least to the greatest of some values.
range = { $low } to { $high }
# Between the last two of a list, with the spaces about it; and where one of them holds.
and = { " and " }
or = { " or " }

## On every page.

# Above each page, at the right.
research-use = Research use only – not for diagnosis
# Above each page and as its headline. $slide: the slide's id.
slide-title = Slide { $slide }
# The title of the file.
document-title = Slide { $slide } – batchscan report
footer = Result { $digest } · batchscan { $version } · printed { $when }
footer-data = Data { $digest }

## Page one: whose slide, and the answer.

identity = Patient { $patient }, { $size }. Spacing { $spacing }. Model { $name } { $version }.
slide-size = { $width } wide, { $height } high
headline-no-tissue = No tissue was found: extent not defined
headline-not-analysed = Not analysed: the extent of IDC is not defined
headline-none = No IDC-positive tissue found by this model
headline-found = IDC-positive tissue found by this model
answer-no-tissue = No patch was scored: IDC is neither shown nor excluded.
answer-undefined = the extent is not defined
# $limit: the threshold; $highest: the greatest p(IDC) of all patches.
answer-none = None of the { $n ->
    [one] { $count } patch
   *[other] { $count } patches
  } read reaches p(IDC) { $limit }; the highest is { $highest }.
answer-found = { $area } in { $n ->
    [one] { $count } focus
   *[other] { $count } foci
  }, { $share } of the tissue that was read.
answer-largest = The largest focus measures { $dimensions }.
# Foci are numbered by area; the one with the greatest dimension needn't be No. 1.
answer-largest-numbered = The largest focus, No. { $number }, measures { $dimensions }.
# $across: from corner to corner.
answer-largest-is-a-patch = The largest focus is one patch, { $wide } wide and { $across } across its corners.
# That the model has seen this patient: in training, or in validation.
seen-in-training = This patient was used to train the model: the numbers are not independent of it.
seen-in-validation = This patient was used to validate the model: the numbers are not independent of it.
caveat = Slide-level, research use; cannot separate DCIS from IDC; not the specimen’s tumour size.

## Page one: its numbers. Each has a label, and below it, smaller, a note: both have room for some 34 letters.

figure-area = IDC-positive area
figure-area-range = threshold moved: { $low } to { $high }
figure-area-same = threshold moved: the same
figure-share = Share of tissue
figure-share-of = of { $area } read
figure-largest = Largest focus
figure-largest-note = greatest × perpendicular
figure-largest-is-a-patch = one patch: its diagonals
figure-over-1-mm = Foci over 1 mm
figure-over-1-mm-value = { $over } of { $all }
figure-over-1-mm-note = by their greatest dimension
figure-field = Field extent
figure-field-note = across all foci together
figure-tissue = Tissue area
figure-uncertain = Uncertain patches
figure-uncertain-note = with p from { $low } to { $high }
figure-unreadable = Unreadable tissue
figure-not-analysed = Tissue not analysed
figure-not-analysed-note = see below what, and why
figure-not-analysed-pen = besides { $area } under pen

## Page one: why a number is not defined, as results say it.

undefined-no-tissue = no tissue was found on the slide
undefined-nothing-readable = none of the slide's tissue could be read
undefined-no-positive = no patch reached the threshold
undefined-all-white = all of the tissue is white
undefined-scattered = no square of 0.4 mm is half tissue
undefined-no-detail = no patch with that much tissue has any detail

## Page one: how sure the area is. Labels have room for some 15 letters.

sure-title = How sure the area is
sure-title-no-area = How good the model is
sure-threshold = Threshold
sure-threshold-range = { $low } to { $high } with the threshold at either end of the uncertain band, p { $p-low } to { $p-high }.
sure-threshold-same = { $high } with the threshold anywhere in the uncertain band, p { $p-low } to { $p-high }.
sure-calibration = Calibration
sure-calibration-none = none: p(IDC) is a score and no risk, so no area follows from it.
sure-calibration-sum = { $area } is what the probabilities themselves add up to.
# Where that isn't within what moving the threshold gives.
sure-calibration-apart = { $area } is what the probabilities themselves add up to: not within the range above.
sure-agreement = Agreement
sure-agreement-none = no limits: the model’s card holds no comparison of areas with labels.
# $bias: how far the area was off, on average.
sure-agreement-bias = no limits: on the { $n ->
    [one] { $count } slide
   *[other] { $count } slides
  } of its cross-validation this model’s area was off by { $bias } on average.
sure-agreement-limits = found − labelled { $low } to { $high } mm² (95 %), { $bias } on average: { $slides }{ $known ->
    [slide] , this one among them
    [patient] , one of this patient among them
   *[none] {""}
  }.
sure-agreement-limits-few = found − labelled { $low } to { $high } mm² (95 %), { $bias } on average: { $slides }{ $known ->
    [slide] , this one among them
    [patient] , one of this patient among them
   *[none] {""}
  }, too few to be sure of that.
# What these limits come to on this slide.
sure-agreement-here = On such a slide { $low } to { $high } would be labelled.
sure-patches = Patch by patch
sure-patches-none = not measured on any patient that the model never saw.
sure-patches-own = AUROC { $auroc }, sensitivity { $sensitivity }, specificity { $specificity } ({ $n ->
    [one] { $count } patient
   *[other] { $count } patients
  } never seen{ $known ->
    [none] {""}
   *[slide] , this one among them
  }).
sure-patches-alike = AUROC { $auroc }, sensitivity { $sensitivity }, specificity { $specificity } (networks made like this one, { $n ->
    [one] { $count } patient
   *[other] { $count } patients
  } never seen{ $known ->
    [none] {""}
   *[slide] , this one among them
  }).

## Page one: what could not be analysed. Labels have room for some 15 letters.

omitted-title = What could not be analysed
omitted-all = The whole slide
omitted-all-why = it is not analysable: no patch was judged positive or negative.
omitted-nothing = nothing.
omitted-unreadable = Unreadable
omitted-unreadable-some = { $patches } of { $all } = { $area }.
omitted-unreadable-some-no-area = { $patches } of { $all }.
omitted-damaged = Damaged file
omitted-damaged-some = { $n ->
    [one] { $count } damaged square
   *[other] { $count } damaged squares
  } = { $area } of the slide could not be decoded.
omitted-pen = Pen
omitted-pen-some = { $area } of the slide are under pen marks.
omitted-pen-none = no pen marks.
omitted-not-scanned = Not scanned
# $least: the least share of tissue that a cell of the grid is scanned from.
omitted-not-scanned-some = { $area } of tissue, in cells with less than { $least } of it.

## Page one: what a reader must know before trusting the numbers.

caution-boundary = Boundary: { $dimensions }, known to one patch (± { $patch }), { $n ->
    [one] straddles
   *[other] straddle
  } the limit of { $limit } mm.
# How many foci, besides the largest, may be longer or shorter than 1 mm.
caution-over-1-mm = { $n ->
    [one] The greatest dimension of { $count } other focus is
   *[other] The greatest dimensions of { $count } other foci are
  } within one patch (± { $patch }) of 1 mm: the number over 1 mm may be off by as many.
boundary-greatest = greatest dimension { $length }
boundary-perpendicular = perpendicular dimension { $length }
boundary-field = field extent { $length }
caution-threshold = This run’s threshold is { $limit }, the model’s own { $own }: its sensitivity, specificity and limits of agreement were measured with its own, not with this one.
caution-spacing = The spacing of { $spacing } was { $who }: every mm rests on it.
caution-borderline = { $n ->
    [one] { $count } patch lies
   *[other] { $count } patches lie
  } so close to the threshold that another engine or precision could decide otherwise, and change the answer.
caution-averaged = { $n ->
    [one] { $count } patch reaches the threshold alone, but not when averaged with its neighbours.
   *[other] { $count } patches reach the threshold alone, but not when averaged with their neighbours.
  }
caution-false-positives = On some unseen patients this model, or networks made like it, called too many patches IDC-positive (specificity { $values }).
caution-false-negatives = On some unseen patients this model, or networks made like it, missed many IDC-positive patches (sensitivity { $values }).
caution-edge = { $n ->
    [one] { $count } focus touches the edge of the slide: what lies beyond was not seen, and its true dimensions may be larger.
   *[other] { $count } foci touch the edge of the slide: what lies beyond was not seen, and their true dimensions may be larger.
  }
caution-unreadable = { $patches } ({ $area }) could not be read; this tissue is not part of the share and may hold more.
# $changed: what was changed, of the three below; the second where the model is calibrated.
caution-other-scores = Set for this run: { $changed }. The model’s threshold and measured accuracy were obtained with its own and may not hold.
caution-other-scores-calibrated = Set for this run: { $changed }. The model’s threshold, calibration and measured accuracy were obtained with its own and may not hold.
changed-orientations = { $orientations } (the model’s own: { $own })
changed-neighbours = neighbours with sigma { $sigma } patch sides (the model’s own: { $own })
changed-stride = a stride of { $stride } patch sides (the model’s own: 1)

## Quality of the slide: page one, and its table.

quality-title = Quality of the slide
grade-good = good
grade-review = review
grade-refused = not analysable
grade-none = not judged
findings-none = Every measure is within its limits.
findings-not-judged = Look at the slide before its numbers are used.
refused-headline = Not analysable: { $findings }
refused-answer = IDC is neither shown nor excluded, and no extent is given. { $reasons }.
asked-at-least = at least { $limit } is analysable
asked-at-most = at most { $limit } is analysable
quality-note = Beyond the limits of review somebody should look at the slide before its numbers are used; beyond those of refusal no number is given. What such simple measures do not see, they do not say: tissue out of focus by less than a patch’s detail, wrong stains, air bubbles, another organ.
quality-note-not-judged = The run was told not to judge the quality of slides: values are measured, and held against no limit.
quality-measure = Measure
quality-value = Value
quality-good = Good
quality-refused = Not analysable
quality-grade = Grade
quality-how = How it is measured
limit-any = any
limit-never = never

## Each measure: its label, what a value below or above its limits is called, and how it is measured.

sharpness-label = Sharpness
sharpness-low = blurred
sharpness-high = noisy
sharpness-how = Variance of the Laplacian over that of the grey levels, as the network sees a patch; median over patches.
blurred-share-label = Blurred patches
blurred-share-low = nowhere blurred
blurred-share-high = blurred in parts
blurred-share-how = Share of patches, at least half tissue, whose sharpness is below { $limit }.
pen-share-label = Pen
pen-share-low = no pen
pen-share-high = pen marks
pen-share-how = Area of pen marks over that of tissue and pen.
dark-share-label = Folds, dark debris
dark-share-low = nothing dark
dark-share-high = folds or dark debris
dark-share-how = Area in and about the tissue that lets less than a third of the light through, over that of the tissue.
overexposed-share-label = Over-exposed
overexposed-share-low = nothing over-exposed
overexposed-share-high = over-exposed
overexposed-share-how = Share of coloured tissue in which a channel is at its end: stain is lost there.
glass-level-label = Glass brightness
glass-level-low = under-exposed
glass-level-high = bright glass
glass-level-how = Brightest channel of the empty glass, of 255.
haematoxylin-od-label = Haematoxylin
haematoxylin-od-low = haematoxylin too pale
haematoxylin-od-high = haematoxylin too dark
haematoxylin-od-how = Haematoxylin, optical density: the strongest 1 % within squares of 0.4 mm, upper quartile over them.
eosin-od-label = Eosin
eosin-od-low = eosin too pale
eosin-od-high = eosin too dark
eosin-od-how = Eosin, optical density: the strongest 1 % within squares of 0.4 mm, median over them.
tissue-mm2-label = Tissue
tissue-mm2-low = little tissue
tissue-mm2-high = much tissue
tissue-mm2-how = Area of tissue on the slide.

## Pictures: titles, captions, what is read aloud instead of them, and the words in them.

picture-overview = Overview
picture-heatmap = Heat map
picture-quality = Quality
picture-tissue = Tissue
picture-marks = What spoils it, and where
overview-foci-undefined = The whole slide; foci are not defined.
overview-no-focus = No focus to outline.
overview-many-foci = All { $count } foci outlined; the { $listed } of largest area are numbered.
overview-foci = Foci outlined, numbered by area.
overview-hole = Dashed: hole in a focus.
overview-edges = At the edges: level-0 pixels.
overview-alt = Overview of slide { $slide }, { $size }. { $caption }
heatmap-empty = No patch has a probability.
heatmap-caption = p(IDC) of each patch; darker is more probable, grey not scanned.
heatmap-caption-neighbours = p(IDC) of each patch with its neighbours; darker is more probable, grey not scanned.
heatmap-tissue = Grey line: edge of the tissue.
heatmap-foci = Black outline: focus; grey line: edge of the tissue.
heatmap-foci-hole = Black outline: focus, dashed: hole in it; grey line: edge of the tissue.
heatmap-alt = Heat map of the same view: p(IDC) of { $patches }, { $positive } at or above the threshold of { $limit }.
heatmap-alt-neighbours = Heat map of the same view: p(IDC) of { $patches } with their neighbours, { $positive } at or above the threshold of { $limit }.
tissue-caption = Dark: tissue that was scanned; light: tissue in cells with less than { $least } of it, not scanned.
tissue-caption-unreadable = Hatched: not readable.
tissue-alt = Tissue mask of the same view: { $n ->
    [one] { $count } cell
   *[other] { $count } cells
  } of { $all } were scanned, { $unreadable } of them could not be read.
marks-caption = Hatched: pen; crossed: folds and dark debris; dotted: patches with a sharpness below { $limit }, however little tissue they have.
marks-alt = Overview of slide { $slide } with what spoils it marked.
marks-found = Found: { $found }.
marks-none = Nothing was measured.
found-pen = pen { $share }
found-dark = folds and dark debris { $share }
found-blurred = blurred patches { $share }
# In a picture's legend: some 14 letters.
legend-positive = positive from { $limit }
legend-unreadable = not readable
legend-scanned = scanned
legend-not-scanned = not scanned
legend-pen = pen
legend-dark = fold, debris
legend-blurred = blurred

## The foci: table and close-ups.

foci-title = Foci
foci-undefined = Foci are not defined: { $why }.
foci-undefined-why = the slide was not analysed
foci-none = There is no focus: no patch reaches the threshold.
foci-order = Largest area first.
# $rest: the area of those that are not listed.
foci-order-many = The { $listed } of largest area out of { $count }; the others hold { $rest } together; all are in result.json and regions.geojson, the patches of each in patches.parquet.
foci-positions = Positions are level-0 pixels of the stored slide, counted from its upper left corner.
foci-positions-reduced = Positions are level-0 pixels of the stored slide, counted from its upper left corner; multiply by { $factor } for pixels of the original file.
foci-one-patch = * One patch: the diagonals of its square.
foci-number = No.
foci-area = Area
foci-greatest = Greatest
foci-perpendicular = Perpendicular
foci-mean = Mean p(IDC)
foci-patches = Patches
foci-box = Box x, y, width, height
foci-centre = Centre x, y
foci-at-edge = At edge
focus-number = Focus { $number }
focus-position = x { $left } to { $right }, y { $top } to { $bottom }
focus-alt = Focus { $number } outlined in its surroundings: { $size }; { $position } px.
close-ups-note = Outlined: the focus of that number; thinner: others. Below each: what of the slide it shows.
close-ups-note-many = The { $shown } of largest area. Outlined: the focus of that number; thinner: others. Below each: what of the slide it shows.

## The patches. $wide: a patch's side.

gallery-title = Patches
gallery-highest = Highest p(IDC); each { $wide } wide
gallery-highest-neighbours = Highest p(IDC) with its neighbours; each { $wide } wide
gallery-all = All patches that were read ({ $count }), highest p(IDC) first; each { $wide } wide
gallery-all-neighbours = All patches that were read ({ $count }), highest p(IDC) with its neighbours first; each { $wide } wide
gallery-uncertain = Least certain: nearest the threshold of { $limit }
gallery-uncertain-neighbours = Least certain: p(IDC) with its neighbours nearest the threshold of { $limit }
gallery-isolated = Highest isolated: positive, and none of the eight patches about it is
gallery-isolated-none = No positive patch is isolated: each has another beside it.
gallery-missing = picture not stored
positive = positive
negative = negative
patch-alt = Patch at { $position } px, p(IDC) { $p }, { $verdict }.
patch-alt-neighbours = Patch at { $position } px, p(IDC) { $p }, p_raw { $raw }, { $verdict }.

## Method and provenance: the model.

method-title = Method and provenance
model-title = Model
# Below the model's facts and those of a notice, on pages in another language than English.
quoted-in-english = In English: quoted from the model’s card, or from the program.
model-name = Name, version
model-architecture = Architecture
model-use = Intended use
model-trained = Trained on
model-spacing = Model’s spacing

## Method and provenance: how the model was applied.

settings-title = How it was applied
engine = Engine
precision-f32 = 32-bit numbers, f32
precision-bf16 = 16-bit numbers, bf16
threshold = Threshold
threshold-own = the model’s own: { $how }
threshold-set = set for this run; the model’s own is { $own }
patch = Patch
patch-note = { $side } px at { $spacing }, { $area }
stride = Stride
stride-of = { $stride } of a patch
stride-none = no overlap
stride-some = overlapping
scanned = Scanned
scanned-cells = cells with at least { $least } tissue
fails = Slide fails
fails-above = above { $share } unreadable patches
engine-borderline = Engine-borderline
# $tolerance: a difference of p_raw.
engine-borderline-note = a change of p_raw by { $tolerance }, the most between engines, would flip them
orientations-label = Orientations
orientations-one = 1, as the patch lies
orientations-mean = { $count }, turned and mirrored: their mean
neighbours = Neighbours
neighbours-none = not used
# $sigma: as the message `sigma` has it.
neighbours-beyond = none within reach: σ = { $sigma }, each patch is judged alone
neighbours-averaged = averaged, Gaussian with σ = { $sigma }
sigma = { $um } = { $sides } patch sides
calibration = Calibration
calibration-none = none
calibration-fitted = temperature { $temperature }, intercept { $intercept }
calibration-how = fitted to scores of slides that their networks had not seen
# Another value than the model's own; the second where the model is calibrated.
unlike-own = set for this run; the model’s own is { $own }, and its threshold belongs to other scores
unlike-own-calibrated = set for this run; the model’s own is { $own }, and its calibration was fitted to other scores, to which its threshold belongs

## Method and provenance: the slide, and what was found on it.

slide-facts-title = Slide
size-label = Size
spacing-label = Spacing
# $who: of those below.
spacing-of = { $spacing } ({ $who })
spacing-of-reduced = { $spacing } in the file ({ $who }), stored at { $stored }
spacing-vendor = stated by the scanner file
spacing-ome-zarr = stated by the OME-Zarr metadata
spacing-manifest = given in the manifest
spacing-option = given by the operator or the patch layout’s convention, not by the slide
spacing-not-stated = not stated by the slide
stored = Stored
stored-reduced = reduced
stored-factor = { $factor } pixels of the original file across one stored pixel
scanned-patches = Patches scanned
scanned-of = { $count } of { $all } on the grid
positive-patches = Positive patches
qc-tissue-share = Tissue, share of slide
qc-pen-share = Pen, share of slide
qc-background-rgb = Background colour
qc-overview-um-per-px = Overview, spacing
qc-unreadable-share = Unreadable, share of slide
qc-damaged-squares = Damaged squares
qc-damaged-mm2 = Damaged
qc-unscanned-tissue-mm2 = Unscanned tissue

## Method and provenance: what was measured on other patients.

performance-title = The model’s held-out performance
performance-patient = Patient
performance-used = Used for
performance-patches = Patches
performance-positive = Positive
performance-auroc = AUROC
performance-f1 = F1
performance-balanced = Balanced acc.
performance-sensitivity = Sensitivity
performance-specificity = Specificity
used-cross-validation = cross-validation
used-validation = validation (optimistic)
used-test = test
slides-pooled = { $n ->
    [one] { $count } slide
   *[other] { $count } slides
  } pooled
performance-none = The model’s card holds no measurement on patients that it was not fitted to.
performance-what = Patch by patch, on patients that the network was not fitted to.
performance-cross-validation = “Cross-validation”: mean over { $n ->
    [one] { $count } seed
   *[other] { $count } seeds
  } of networks trained in the same way, but without the slide, each judged at a threshold that was chosen on other slides by networks that never saw it.
performance-validation = “Validation”: epoch or threshold was chosen on this patient, which makes its figures optimistic.
performance-test = “Test”: { untouched }.
# Of a test patient.
untouched = neither network, neighbours, calibration nor threshold were chosen on it; the model’s limits say whether the recipe was
performance-more = { $n ->
    [one] { $count } more row
   *[other] { $count } more rows
  } in the model’s card.json.

## Method and provenance: limits (in the words of the model's card), identity and timing.

limits-title = Limits
identity-title = Identity and timing
hash-model = Model
hash-model-note = fingerprint of the weights file
hash-slide = Slide
hash-slide-note = fingerprint of the stored pixels
hash-result = Result
hash-result-note = fingerprint of all that determines it
seconds = Seconds: { $stages }.
data-note = Attached to this PDF: the result, the outlines of the foci, the patch table and the model’s card. SHA256SUMS, attached too, lists the sha256 of each; its own is the data digest at the foot of every page. To check all this: batchscan verify FILE.pdf
stage-read = read
stage-tissue = tissue
stage-infer = infer

## What each number means: labels of some 17 letters, and definitions.

definitions-title = What each number means
# $class: the model's name of what it looks for.
means-raw = the network’s own score of one patch, from 0 to 1; class “{ $class }”.
means-raw-orientations = the network’s own score of one patch, from 0 to 1, mean over { $count } ways of turning and mirroring it; class “{ $class }”.
means-mean-alone = p_raw itself: neighbours are not used.
means-mean-beyond = p_raw itself, { -kept }: σ = { $sigma } reaches no neighbour.
means-mean = the mean of the odds’ logarithms: logit p_mean = Σ w logit p_raw ÷ Σ w, logit p = ln(p ÷ (1 − p)), over the patch and its readable neighbours, p_raw { -kept }; w = exp(−d² ÷ 2σ²), d from centre to centre, σ = { $sigma }; w = 0 beyond { $reach } σ along a row or a column.
-kept = kept within .0001 and .9999
means-p = p_mean itself, not calibrated; p_idc in the files.
means-p-calibrated = 1 ÷ (1 + exp(−(ln(p_mean ÷ (1 − p_mean)) ÷ T + b))), calibrated with T = { $temperature }, b = { $intercept }; p_idc in the files.
means-p-calibrated-alone = 1 ÷ (1 + exp(−(ln(p_mean ÷ (1 − p_mean)) ÷ T + b))), calibrated with T = { $temperature }, b = { $intercept }, p_mean { -kept }; p_idc in the files.
means-positive-label = Positive
means-positive = a patch with p(IDC) ≥ { $limit }.
means-tissue-label = Tissue area
means-tissue = Σ a t over the scanned cells; a the area of a cell, t the share of tissue in it; each cell counts once, whatever the overlap of patches.
means-area-label = IDC-positive area
means-area = Σ a t over the positive cells only.
means-share-label = Share of tissue
means-share = IDC-positive area ÷ (tissue area − unreadable area).
means-unreadable-label = Unreadable
means-unreadable = patches whose pixels could not be read: in the tissue area, not in the share.
means-not-analysed-label = Not analysed
means-not-analysed = tissue of unreadable patches, and of cells with less than { $least } tissue, which are not scanned and not in the tissue area.
means-focus-label = Focus
means-focus = positive cells that touch by a side or a corner.
means-greatest-label = Greatest
means-greatest = largest distance between two points of a focus’s outline, its Feret diameter (of one patch: its diagonal, { $diagonal }).
means-perpendicular-label = Perpendicular
means-perpendicular = extent of the same outline at right angles to its greatest dimension.
means-largest-label = Largest focus
means-largest = the one with the greatest dimension; the table is ordered by area.
means-over-1-mm-label = Foci over 1 mm
means-over-1-mm = those with a greatest dimension above 1 mm.
means-field-label = Field extent
means-field = greatest dimension over all positive cells of the slide together.
means-isolated-label = Isolated
means-isolated = a positive patch none of whose eight neighbours is: a focus of one patch.
means-resolution-label = Resolution
means-resolution = outlines follow the cells, so a dimension is known to about { $side }.
means-boundary-label = Boundary
means-boundary = a dimension less or plus one patch side, { $side }, reaches { $limits } mm, limits of tumour size categories.
means-band-label = Uncertain band
means-band = p(IDC) from { $low } to { $high }: odds, p ÷ (1 − p), within a factor of { $factor } of the threshold’s. The area’s range is that with the threshold at either end.
means-sum-label = Calibrated sum
means-sum = Σ a t p(IDC) over the patches that were read; given where p(IDC) is calibrated.
means-agreement-label = Agreement
means-agreement = area found − area labelled on cross-validated slides: mean ± 1.96 standard deviations (95 % limits, Bland and Altman). On such a slide: area found less either limit.

## The box that a reviewer fills in by hand, at the end.

signoff-title = Review
signoff-note = To be filled in by hand. The same answers, as a form or from QuPath, are kept with the result by “batchscan review”.
signoff-focus = Focus
signoff-area = Area
signoff-agree = agree
signoff-disagree = disagree
signoff-unsure = unsure
signoff-comment = Comment
signoff-others = The { $most } foci with the largest areas; the others are in the form.
signoff-no-other = no other IDC seen
signoff-elsewhere = IDC elsewhere, at:
# On a slide without a focus: there is nothing to agree with, and no outline to be seen.
signoff-note-none = To be filled in by hand. What is outlined in QuPath is kept with the result by “batchscan review”.
signoff-none = no IDC seen on this slide
signoff-seen = IDC seen, at:
signoff-by = Reviewed by
signoff-date = Date
signoff-signature = Signature
signoff-which = Slide { $slide }, result { $digest }. The reviewer saw the program’s outlines: this is no independent reading.
signoff-which-none = Slide { $slide }, result { $digest }. The reviewer saw what the program says of this slide: this is no independent reading.

## The notice of a slide without a result.

notice-document-title = { $title } – no result – batchscan notice
notice-footer = Notice of run { $run } · batchscan { $version }
notice-kind = Notice – not a report
notice-headline-failed = No result: this slide failed
notice-headline-excluded = No result: this slide was excluded
notice-answer = IDC is neither shown nor excluded on this slide. Nothing of it was measured, and no number of it counts anywhere in the run.
notice-facts-title = What happened
notice-patient = Patient
notice-status = Status
notice-status-failed = failed: it was tried, and could not be brought to an end
notice-status-excluded = excluded: it is not a slide that can be judged as it is
notice-sentence = Message
notice-sentence-none = nothing is recorded.
notice-reason = Reason
notice-reason-none = none is recorded
notice-reason-note = the code in summary.csv
notice-when = When
notice-when-never = before the scan: it was not tried
notice-steps-title = What can be done
notice-step-again = Then start the same command again: it does only what is missing. Once the slide has a result, its report stands in the run folder and this notice is gone.
notice-step-until = Until then, read the slide as if this program had not been there.

## What can be done about a slide without a result, by the reason's code: 130 letters at most, two lines of a table.

-copy = Copy the file again from its source, or have it scanned again.
-give-spacing = Ingest that file again with --um-per-px, or give um_per_px in the manifest.
-defect = Scan the slide alone with --workers 1 --debug and report the defect with what it says.
-mend = Mend what the slide’s sentence names, and start the same command again.
remedy-unknown = Read the slide’s sentence in summary.csv; scan the slide alone with --debug for more.
remedy-unopenable = Is it a slide, and whole? { -copy }
remedy-unreadable = { -copy }
remedy-source-vanished = Bring the folder or drive back, and start the same command again.
remedy-slide-gone = It was moved or deleted: put it back, or take it out of the manifest.
remedy-slide-changed = Let nothing write to the archive during a run, and start the same command again.
remedy-no-spacing = { -give-spacing }
remedy-implausible-spacing = What the file says can’t be true. { -give-spacing }
remedy-spacing-conflict = Leave the given spacing out, or ingest the slide again with the right one.
remedy-not-rgb = Have the H&E section scanned in colour.
remedy-too-coarse = Have the slide scanned at a finer spacing, or use a model for coarser ones.
remedy-duplicate = Keep one of the two names in the manifest: it is the same slide.
remedy-slide = { -mend }
remedy-excluded = { -mend }
remedy-no-tissue = Look at the overview; if there is tissue, have the slide scanned again.
remedy-not-analysable = Look at what quality control found; clean or restain and have the slide scanned again.
remedy-worker-died = Scan the slide alone with --workers 1 on a machine with more memory; if it dies again, its file is damaged.
remedy-out-of-memory = Export the slide again with smaller tiles or chunks, or use a machine with more memory.
remedy-hung = Its reader never came back. { -copy }
remedy-quarantined = It had accident after accident and is left alone: look at its file, then start again with --retry.
remedy-unexpected = { -defect }
remedy-error = { -defect }
remedy-output = Make room or mend permissions, and start the same command again.
remedy-templates = Mend what the sentence names in the templates folder, and start the same command again.
remedy-damaged-result = Start the same command again: the slide is then scanned anew.
remedy-ledger-mismatch = Start the same command again: whole results are used again.
remedy-model = Run batchscan model verify on the package, and install the same one on every machine.
remedy-cluster = See that scheduler and workers are up, and start the same command again.
remedy-busy = Wait for the other runner, or stop it, and start the same command again.
remedy-usage = { -mend }
remedy-job = { -mend }
remedy-manifest = Mend the manifest’s rows that the sentence names, and start the same command again.
remedy-patch-set = Bring the patch folder into the public layout, and ingest it again.
remedy-reference = Mend the reference file, or leave it out of the manifest.
remedy-gate = Ask for a figure that an evaluation has.
remedy-not-comparable = Evaluate both on the same patches and labels.
remedy-seen = Leave the slide out of the measurement: the model was made with it.
remedy-review = Mend the rows that the sentence names, and give the file again.
remedy-signing = Mend what the sentence names about the key, and start the same command again.
remedy-unverifiable = Print the report again with batchscan report.
