/* Specs for the native tests. */
#ifndef SPEC_TEXT_H
#define SPEC_TEXT_H

#define SPEC_WITH(input_type, normalisation, decode) SPEC_AND(input_type, normalisation, decode, "")
#define SPEC_AND(input_type, normalisation, decode, more)                                                      \
    "{\"format\": 1, \"architecture\": \"tiny\", \"input\": {\"size\": 16, \"color\": \"RGB\", " normalisation \
    ", \"dtype\": \"" input_type                                                                               \
    "\"}, \"outputs\": [\"logits\"], \"crop\": {\"margins\": [0.1, 0.1, 0.1, 0.1]}, "                          \
    "\"decode\": " decode                                                                                      \
    ", \"origin\": {\"checkpoint\": \"none\", \"sha256\": \"0\"}, \"upright\": \"second-pass\"" more "}"

#define IMAGENET "\"scale\": 0.00392156862745098, \"mean\": [0.485, 0.456, 0.406], \"std\": [0.229, 0.224, 0.225]"
#define LEVELS "\"scale\": 1, \"mean\": [0, 0, 0], \"std\": [1, 1, 1]"
#define BIN_HEAD(column) \
    "{\"output\": \"logits\", \"column\": " column ", \"first_deg\": -99, \"step_deg\": 3, \"count\": 66}"
#define BINS \
    "{\"kind\": \"bins\", \"yaw\": " BIN_HEAD("0") ", \"pitch\": " BIN_HEAD("66") ", \"roll\": " BIN_HEAD("132") "}"

static const char bins_spec[] = SPEC_WITH("float32", IMAGENET, BINS);
static const char half_spec[] = SPEC_WITH("float16", IMAGENET, BINS);
static const char sigma_spec[] =
    SPEC_AND("float32", IMAGENET, BINS,
             ", \"sigma\": {\"yaw\": 1, \"pitch\": 1, \"roll\": 1, \"faces\": 2, \"source\": \"none\", "
             "\"labelled\": true}");
static const char byte_spec[] = SPEC_WITH("uint8", LEVELS, "{\"kind\": \"matrix\", \"output\": \"logits\"}");

#endif
