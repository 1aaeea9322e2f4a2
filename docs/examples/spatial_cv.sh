#!/usr/bin/env bash
# Leave one tile out: a map a fold, scored where it learned and where it did not.
#
#   spatial_cv.sh CONFIG GROUND_TRUTH FIELD DATA OUTPUT
#
# CONFIG        configuration of fold 0, with last_step : 'mosaic',
#               ground_truth : "DATA/gt_0.shp" and output_path : "OUTPUT/outputs_0"
# GROUND_TRUTH  polygons of all tiles, cleaned (i2lc check-database)
# FIELD         field of the class, data_field of CONFIG
# DATA          folder for the pairs gt_0.shp, tgt_0.shp and so on
# OUTPUT        folder of the output folders
#
# SCHEDULER=Slurm spatial_cv.sh ... runs on a queue. A loop that was broken off goes on where it
# stood when it is started again.
set -euo pipefail

if [ $# -ne 5 ]; then
    sed -n '4,11s/^# \{0,1\}//p' "$0" >&2
    exit 2
fi
CONFIG=$1 GROUND_TRUTH=$2 FIELD=$3 DATA=$4 OUTPUT=$5

# Pairs: gt_k without the polygons of tile k, tgt_k with those alone
i2lc split-tiles -in.vector "$GROUND_TRUTH" -dataField "$FIELD" -config "$CONFIG" \
    -out "$DATA" -format shp

FOLD=0
while [ -f "$DATA/tgt_$FOLD.shp" ]; do
    echo "Fold $FOLD"
    # The configuration of the fold, beside the first one
    FOLD_CONFIG="${CONFIG%.*}_fold_$FOLD.${CONFIG##*.}"
    sed -e "s/outputs_[0-9][0-9]*/outputs_$FOLD/" -e "s/gt_[0-9][0-9]*/gt_$FOLD/" \
        "$CONFIG" > "$FOLD_CONFIG"
    i2lc -config "$FOLD_CONFIG" -restart -scheduler_type "${SCHEDULER:-localCluster}"
    # Polygons of the tile that was left out
    MAP=$OUTPUT/outputs_$FOLD/final/Classif_Seed_0.tif
    i2lc confusion -map "$MAP" -ref.vector "$DATA/tgt_$FOLD.shp" -ref.vector.field "$FIELD" \
        -out "$OUTPUT/scores/left_out_$FOLD"
    # Validation polygons of the tiles that were learned from; i2lc writes field names small
    i2lc confusion -map "$MAP" \
        -ref.vector "$OUTPUT/outputs_$FOLD"/dataAppVal/*_seed_0_val.sqlite \
        -ref.vector.field "${FIELD,,}" -out "$OUTPUT/scores/same_area_$FOLD"
    FOLD=$((FOLD + 1))
done

echo "Same area: validation polygons of the tiles learned from"
i2lc confusion -compare "$OUTPUT"/scores/same_area_*/confusion.json
echo "Left out: polygons of the tile not learned from"
i2lc confusion -compare "$OUTPUT"/scores/left_out_*/confusion.json
